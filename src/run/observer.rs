//! The thread that looks at a live run from beside its flow: once a second it replaces `status.json` and draws the
//! terminal, now and then it logs a line, and it answers who asks for tasks. It goes on when the flow hangs, and holds
//! nothing up: what cannot be written harms nothing.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::live;
use super::log::PROGRESS;
use super::screen::Screen;
use super::status::{Keeper, STATUS, Status};
use super::tasks::{self, TASKS, Tasks};
use crate::frontier::Frontier;
use crate::pipeline::Board;
use crate::units::span;

/// How often the status is replaced.
const EVERY: Duration = Duration::from_secs(1);
/// How often it is looked whether somebody asks.
const LOOK: Duration = Duration::from_millis(200);
/// Of the looks at the status, each of so many goes to the log.
const LOG_EVERY: u32 = 10;

/// What is looked at, and where what is seen goes.
pub struct Scene {
    /// The job.
    pub job: String,
    /// The run.
    pub run_id: String,
    /// Its directory.
    pub dir: PathBuf,
    /// The file by which tasks are asked for.
    pub wanted: PathBuf,
    /// Set when a signal asks for tasks.
    pub asked: Arc<AtomicBool>,
    /// Makes the status.
    pub keeper: Keeper,
    /// What waits.
    pub frontier: Arc<Frontier>,
    /// What is done.
    pub board: Arc<Board>,
    /// Where the block is drawn.
    pub screen: Screen,
}

/// The thread. Once this is dropped it writes nothing more.
#[derive(Debug)]
pub struct Observer {
    end: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Observer {
    /// Starts it.
    pub fn start(mut scene: Scene) -> std::io::Result<Self> {
        let (end, ended) = mpsc::channel();
        let thread =
            thread::Builder::new().name("observer".to_owned()).spawn(move || scene.observe(&ended))?;
        Ok(Self { end: Some(end), thread: Some(thread) })
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Scene {
    fn observe(&mut self, ended: &mpsc::Receiver<()>) {
        // Nobody waits any more who asked before this process began.
        let _ = fs::remove_file(&self.wanted);
        let (mut tick, mut due) = (0, Instant::now());
        loop {
            self.answer();
            if Instant::now() >= due {
                due = Instant::now() + EVERY;
                self.status(tick);
                tick += 1;
            }
            if ended.recv_timeout(LOOK) != Err(RecvTimeoutError::Timeout) {
                break;
            }
        }
        // The last word, for a run that is taken up later.
        let last = self.keeper.status(tick, Timestamp::now());
        self.write(&last);
        self.screen.show(&[]);
        let _ = fs::remove_file(self.dir.join(TASKS));
    }

    fn status(&mut self, tick: u32) {
        let status = self.keeper.status(tick, Timestamp::now());
        self.write(&status);
        self.screen.show(&live::lines(&self.job, &status));
        if tick % LOG_EVERY == LOG_EVERY - 1 {
            let Status { settled, records, queued, in_flight, failed, bytes, eta_s, .. } = status;
            let eta = eta_s.map(|seconds| span(seconds.saturating_mul(1000)));
            let per_second = (status.recent_pages_per_second * 10.0).round() / 10.0;
            tracing::info!(
                target: PROGRESS,
                settled, records, queued, in_flight, failed, bytes, per_second, eta, "progress"
            );
        }
    }

    fn write(&self, status: &Status) {
        let text = serde_json::to_vec_pretty(status).unwrap_or_default();
        if let Err(error) = tasks::replace(&self.dir, STATUS, &text) {
            tracing::debug!(%error, "cannot write status.json");
        }
    }

    fn answer(&self) {
        let (by_signal, by_file) = (self.asked.swap(false, Ordering::SeqCst), self.wanted.exists());
        if !by_signal && !by_file {
            return;
        }
        let tasks = Tasks::of(&self.run_id, &self.board, &self.frontier, Timestamp::now());
        match tasks.write(&self.dir) {
            // Taken away last: it says that the answer is there.
            Ok(()) if by_file => drop(fs::remove_file(&self.wanted)),
            Ok(()) => {}
            Err(error) => tracing::warn!(%error, "cannot write tasks.json"),
        }
        if by_signal {
            tasks.log();
        }
    }
}
