//! The exit codes, each with one meaning. Only `main` hands one to the system.

use std::process::ExitCode;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Complete and published.
    Complete = 0,
    /// An error nobody foresaw; or nothing is known of what was asked for.
    Error = 1,
    /// The command line is wrong.
    Usage = 2,
    /// A limit ended the run early.
    LimitReached = 3,
    /// Too much failed, or nothing was got at all.
    Failed = 4,
    /// A gate failed; not published.
    GateFailed = 10,
    /// Interrupted by a signal.
    Interrupted = 11,
    /// The disk is full.
    DiskFull = 13,
    /// Tests or a verification failed.
    VerificationFailed = 14,
    /// Our own books do not balance.
    Invariant = 70,
    /// Output or state cannot be created.
    CannotCreate = 73,
    /// Reading or writing failed.
    Io = 74,
    /// Another run holds the job.
    Locked = 75,
    /// The store was written by another version.
    StoreVersion = 76,
    /// The config is wrong.
    InvalidConfig = 78,
}

impl Exit {
    /// Every exit, in the order of the codes.
    pub const ALL: [Self; 15] = [
        Self::Complete,
        Self::Error,
        Self::Usage,
        Self::LimitReached,
        Self::Failed,
        Self::GateFailed,
        Self::Interrupted,
        Self::DiskFull,
        Self::VerificationFailed,
        Self::Invariant,
        Self::CannotCreate,
        Self::Io,
        Self::Locked,
        Self::StoreVersion,
        Self::InvalidConfig,
    ];

    /// The number the system sees.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// What it means, in a line.
    pub fn about(self) -> &'static str {
        match self {
            Self::Complete => "complete and published",
            Self::Error => "unexpected error; or nothing is known of what was asked for",
            Self::Usage => "wrong use of the command line",
            Self::LimitReached => "a limit ended the run early; published as incomplete",
            Self::Failed => "too many failures, or nothing could be fetched; kept, not published",
            Self::GateFailed => "a gate failed; not published",
            Self::Interrupted => "interrupted by a signal; the same command continues",
            Self::DiskFull => "disk full; the same command continues once there is room",
            Self::VerificationFailed => "tests or a verification failed",
            Self::Invariant => "an invariant is broken: a fault of this program",
            Self::CannotCreate => "output or state cannot be created",
            Self::Io => "reading or writing failed",
            Self::Locked => "another run holds the job",
            Self::StoreVersion => "the store was written by another format version",
            Self::InvalidConfig => "the config is invalid",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::Exit;

    #[test]
    fn codes_rise_and_none_is_used_twice() {
        assert!(Exit::ALL.windows(2).all(|pair| pair[0].code() < pair[1].code()));
        assert_eq!(Exit::InvalidConfig.code(), 78);
    }
}
