//! Values that may be secret: referenced in the config, resolved late, never printed.

use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A text in the config: written out, or a reference to where a secret is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Text {
    /// Written in the config, not secret.
    Plain(String),
    /// The value of an environment variable.
    Env(FromEnv),
    /// The content of a file, without the line end.
    File(FromFile),
}

/// `{ env = "NAME" }`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FromEnv {
    /// Name of the environment variable.
    pub env: String,
}

/// `{ file = "/run/secrets/x" }`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FromFile {
    /// Path of the file, relative to the config file.
    #[schemars(extend("format" = "path"))]
    pub file: PathBuf,
}

/// A resolved value. `Debug` and `Display` do not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Why a reference leads nowhere.
#[derive(Debug, Error)]
pub enum SecretError {
    /// The environment variable is not set, or not UTF-8.
    #[error(
        "environment variable `{0}` is not set\nhint: set it for the user that runs the job, or use {{ file = \"...\" }}"
    )]
    Env(String),
    /// The file cannot be read.
    #[error(
        "cannot read secret file `{path}`: {source}\nhint: see that the file is there and that whoever runs the job may read it; a relative path is relative to the config"
    )]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Text {
    /// The value itself.
    pub fn resolve(&self) -> Result<Secret, SecretError> {
        match self {
            Self::Plain(text) => Ok(Secret(text.clone())),
            Self::Env(FromEnv { env }) => {
                std::env::var(env).map(Secret).map_err(|_| SecretError::Env(env.clone()))
            }
            Self::File(FromFile { file }) => match std::fs::read_to_string(file) {
                Ok(text) => Ok(Secret(text.trim_end_matches(['\r', '\n']).to_owned())),
                Err(source) => Err(SecretError::File { path: file.clone(), source }),
            },
        }
    }
}

impl Secret {
    /// The value, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}
