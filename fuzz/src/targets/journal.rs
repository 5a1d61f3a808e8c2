//! The frontier journal, damaged: bytes that are cut, flipped, put in or forged.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use trawl::model::{
    Changes, HostWait, Outcome, Position, Refusal, Request, RobotsNote, UrlKey, Wait, canonical,
};
use trawl::store::{
    Begin, Commit, Finish, Frame, Journal, Known, Replay, Settle, Start, StoreError, beginning,
};

use super::Shape;

const MAGIC: usize = 8;
/// Length, number and checksum in front of each frame.
const HEADER: usize = 20;

pub const WORDS: &[&str] = &[
    "\0",
    "\x01",
    "\x02",
    "\x03",
    "\x04",
    "\x05",
    "\x7f",
    "TRAWLJ02",
    "\0\0\0\x10",
    "(",
    "x",
    "\x01\x01",
    "http://h/",
];

/// Frames of all kinds, the file that holds them, and where each of them ends in it.
struct Whole {
    frames: Vec<Frame>,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

fn frames() -> Vec<Frame> {
    let request =
        |n: u32| Request::seed(&canonical(&format!("http://h.example/{n}"), None).expect("a URL"), "s");
    let refusal = Refusal {
        request: request(9),
        outcome: Outcome::SkippedScope,
        reason: Some("outside".into()),
        rule: None,
        is_outside: true,
    };
    let note = RobotsNote {
        origin: "http://h.example".into(),
        fetched_at_ms: 5,
        status: 200,
        body: b"User-agent: *".to_vec(),
    };
    let settle = |n| Settle {
        key: request(n).key,
        outcome: Outcome::Ok,
        host: "h.example".into(),
        admitted: true,
        status: Some(200),
        bytes: 10,
        duration_ms: Some(3),
        parse_us: 4,
        page: None,
    };
    let commit = |from: u32| Commit {
        changes: Changes {
            admitted: (from..from + 3).map(request).collect(),
            refused: vec![refusal.clone()],
            again: Vec::new(),
            waits: vec![HostWait { host: "h.example".into(), wait: Wait::from(7, 8) }],
            robots: vec![note.clone()],
        },
        settled: vec![settle(from)],
        positions: BTreeMap::from([("records".to_owned(), Position::default())]),
    };
    vec![
        Frame::Begin(Begin { run_id: "r".into(), snapshot: 1, sealed: "{}".into(), parent: None }),
        Frame::Start(Start { at: "2026-01-01T00:00:00Z".into(), pid: 7, boot_id: "b".into() }),
        Frame::Commit(commit(0)),
        Frame::Suspect(UrlKey::of("http://h.example/1")),
        Frame::Commit(commit(3)),
        Frame::Finish(Finish { reason: "done".into(), complete: true, discovered: 6, queued: 4, exit: 0 }),
    ]
}

fn whole() -> &'static Whole {
    static WHOLE: OnceLock<Whole> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("whole.journal");
        let frames = frames();
        let Frame::Begin(begin) = &frames[0] else { unreachable!("the first frame begins") };
        let mut journal = Journal::create(&path, begin).expect("a journal");
        let length = || usize::try_from(path.metadata().expect("a file").len()).expect("small");
        let mut ends = vec![length()];
        for frame in &frames[1..] {
            journal.append(frame).expect("a frame");
            ends.push(length());
        }
        let bytes = std::fs::read(&path).expect("a file");
        Whole { frames, bytes, ends }
    })
}

/// What any file comes to.
struct Found {
    frames: Vec<Frame>,
    error: Option<StoreError>,
}

/// Reads `bytes` as a journal in every way there is.
fn read(bytes: &[u8]) -> Found {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("any.journal");
    std::fs::write(&path, bytes).expect("a file");
    let mut frames = Vec::new();
    let start = beginning(&path);
    let (mut journal, replay) = match open(&path, &mut frames) {
        Ok(opened) => opened,
        Err(error) => {
            let words = error.to_string();
            assert!(words.contains("any.journal") && words.contains("\nhint: "), "{words}");
            return Found { frames, error: Some(error) };
        }
    };
    assert_eq!(start.is_ok(), matches!(frames.first(), Some(Frame::Begin(_))), "{start:?}");
    let mut known = 0_u64;
    replay.known(&path, |one| known += u64::from(matches!(one, Known::Queued(_)))).expect("it was read once");
    replay.robots(&path, |_| {}).expect("it was read once");
    // Whatever was cut off, the journal goes on behind what it gave.
    let new = Frame::Suspect(UrlKey::of("new"));
    journal.append(&new).expect("a frame");
    let mut again = Vec::new();
    open(&path, &mut again).expect("it was opened once");
    assert_eq!(again.split_last(), Some((&new, &frames[..])));
    Found { frames, error: None }
}

fn open(path: &Path, frames: &mut Vec<Frame>) -> Result<(Journal, Replay), StoreError> {
    Journal::open(path, |_, frame| frames.push(frame))?;
    Replay::of(path, |_| {})
}

/// `[0][changes]`: a good journal with changes of four bytes each (what, where in two bytes, with what). `[1][bytes]`: any
/// bytes behind the right beginning. `[2][bytes]`, `[3][bytes]`: a frame with the right checksum around any bytes, packed
/// by us or not.
pub fn journal(data: &[u8]) -> u64 {
    let Some((how, data)) = data.split_first() else { return 0 };
    let good = whole();
    let found = match how % 4 {
        0 => {
            let bytes = changed(&good.bytes, data);
            let same = good.bytes.iter().zip(&bytes).take_while(|(a, b)| a == b).count();
            let found = read(&bytes);
            let intact = good.ends.iter().filter(|end| **end <= same).count();
            assert_eq!(found.error.is_some(), intact == 0, "{:?}", found.error);
            if found.error.is_none() {
                assert!(
                    found.frames.len() >= intact,
                    "{} of {intact} intact frames were read",
                    found.frames.len()
                );
            }
            assert_eq!(found.frames, good.frames[..found.frames.len()], "something else was read");
            found
        }
        1 => read(&[&good.bytes[..MAGIC], data].concat()),
        how => {
            let packed = if how == 2 {
                zstd::bulk::compress(data, 1).expect("memory is packed")
            } else {
                data.to_vec()
            };
            let last = good.ends[1];
            let mut bytes = good.bytes[..last].to_vec();
            bytes.extend(u32::try_from(packed.len()).expect("small").to_le_bytes());
            bytes.extend(2_u64.to_le_bytes());
            bytes.extend(xxhash_rust::xxh3::xxh3_64_with_seed(&packed, 2).to_le_bytes());
            assert_eq!(bytes.len(), last + HEADER);
            bytes.extend(packed);
            let found = read(&bytes);
            assert_eq!(found.frames[..2], good.frames[..2]);
            found
        }
    };
    let error = found.error.map(|error| error.to_string()).unwrap_or_default();
    let kinds = found
        .frames
        .iter()
        .fold(Shape::default().is(how % 4), |shape, frame| shape.is(std::mem::discriminant(frame)));
    kinds.words(&error).end()
}

fn changed(good: &[u8], changes: &[u8]) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for change in changes.chunks_exact(4).take(8) {
        let &[what, high, low, with] = change else { continue };
        let at = usize::from(u16::from_be_bytes([high, low])) % (bytes.len() + 1);
        let to = (at + usize::from(with)).min(bytes.len());
        match what % 7 {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => bytes[at] ^= 1 << (with % 8),
            2 => bytes.insert(at, with),
            3 => drop(bytes.drain(at..to)),
            4 => {
                bytes.splice(at..at, good[..usize::from(with).min(good.len())].iter().copied()).for_each(drop)
            }
            5 => bytes[at..to].fill(0),
            6 => bytes.resize(bytes.len() + usize::from(with) * 16, 0),
            _ => {}
        }
    }
    bytes
}
