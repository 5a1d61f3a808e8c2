//! A thread for each sink, named after it, so that sinks write and sync side by side. They write visits as these come,
//! and sync at each checkpoint.

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use super::commit::CommitError;
use super::done::Sheet;
use crate::model::{Position, Span};
use crate::sink::{Artifact, Sink, SinkError, Writer};

/// The end of what a sink has written, and where the line of each visit since the last checkpoint stands.
type Lines = (Position, Vec<Option<Span>>);

enum Job {
    Write(Arc<Vec<Sheet>>),
    Sync(mpsc::Sender<Result<Lines, SinkError>>),
}

/// One sink on its thread.
#[derive(Debug)]
pub struct SinkThread {
    id: String,
    /// Not bounded here: the flow takes no further visit while two checkpoints are under way.
    jobs: mpsc::Sender<Job>,
    thread: JoinHandle<Box<dyn Writer>>,
}

/// A checkpoint on its way through a sink.
pub struct Written {
    /// Name of the sink.
    pub id: String,
    answer: mpsc::Receiver<Result<Lines, SinkError>>,
}

impl SinkThread {
    /// Opens the sink at this place among the sinks, cut back to its committed position, and starts its thread.
    pub fn start(
        sink: &dyn Sink,
        place: usize,
        run_dir: &Path,
        at: Option<Position>,
    ) -> Result<Self, CommitError> {
        let mut writer = sink.open(run_dir, at)?;
        let (jobs, incoming) = mpsc::channel::<Job>();
        let work = move || {
            let mut written = Ok(Vec::new());
            for job in incoming {
                match job {
                    Job::Write(sheets) => {
                        written = written.and_then(|spans| write(&mut *writer, place, &sheets, spans));
                    }
                    Job::Sync(reply) => {
                        let written = std::mem::replace(&mut written, Ok(Vec::new()));
                        let synced = written.and_then(|spans| Ok((writer.sync()?, spans)));
                        let _ = reply.send(synced);
                    }
                }
            }
            writer
        };
        let id = sink.id().to_owned();
        let thread = thread::Builder::new().name(format!("sink-{id}")).spawn(work);
        let thread = thread.map_err(|error| CommitError::Gone(error.to_string()))?;
        Ok(Self { id, jobs, thread })
    }

    /// Hands visits over.
    pub fn write(&self, sheets: Arc<Vec<Sheet>>) {
        // If the thread has died, the next checkpoint says so.
        let _ = self.jobs.send(Job::Write(sheets));
    }

    /// Ends a checkpoint.
    pub fn sync(&self) -> Written {
        let (reply, answer) = mpsc::channel();
        // If the thread has died, the reply dies with the job and `wait` says so.
        let _ = self.jobs.send(Job::Sync(reply));
        Written { id: self.id.clone(), answer }
    }

    /// Ends the thread and finishes the files.
    pub fn finish(self) -> Result<Vec<Artifact>, CommitError> {
        drop(self.jobs);
        let writer =
            self.thread.join().map_err(|_| CommitError::Gone(format!("sink `{}` panicked", self.id)))?;
        Ok(writer.finish()?)
    }
}

impl Written {
    /// Returns once the checkpoint is on disk.
    pub fn wait(self) -> Result<Lines, CommitError> {
        match self.answer.recv() {
            Ok(lines) => Ok(lines?),
            Err(_) => Err(CommitError::Gone(format!("sink `{}` panicked", self.id))),
        }
    }
}

fn write(
    writer: &mut dyn Writer,
    place: usize,
    sheets: &[Sheet],
    mut spans: Vec<Option<Span>>,
) -> Result<Vec<Option<Span>>, SinkError> {
    for sheet in sheets {
        spans.push(writer.write(sheet.piece(place)?)?);
    }
    Ok(spans)
}
