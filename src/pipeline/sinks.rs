//! A thread for each sink, named after it, so that sinks write and sync side by side.

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use super::commit::{CommitError, Done};
use crate::model::{Position, Span};
use crate::sink::{Artifact, Sink, SinkError, Writer};

type Lines = (Position, Vec<Option<Span>>);

struct Job {
    dones: Arc<Vec<Done>>,
    reply: mpsc::Sender<Result<Lines, SinkError>>,
}

/// One sink on its thread.
#[derive(Debug)]
pub struct SinkThread {
    id: String,
    jobs: mpsc::SyncSender<Job>,
    thread: JoinHandle<Box<dyn Writer>>,
}

/// A checkpoint on its way through a sink.
pub struct Written {
    answer: mpsc::Receiver<Result<Lines, SinkError>>,
}

impl SinkThread {
    /// Opens the sink, cut back to its committed position, and starts its thread.
    pub fn start(sink: &dyn Sink, run_dir: &Path, at: Option<Position>) -> Result<Self, CommitError> {
        let mut writer = sink.open(run_dir, at)?;
        let (jobs, incoming) = mpsc::sync_channel::<Job>(1);
        let work = move || {
            for Job { dones, reply } in incoming {
                let lines = write(&mut *writer, &dones);
                drop(dones);
                let _ = reply.send(lines);
            }
            writer
        };
        let id = sink.id().to_owned();
        let thread = thread::Builder::new().name(format!("sink-{id}")).spawn(work);
        let thread = thread.map_err(|error| CommitError::Gone(error.to_string()))?;
        Ok(Self { id, jobs, thread })
    }

    /// Name of the sink.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Hands a checkpoint over.
    pub fn write(&self, dones: Arc<Vec<Done>>) -> Written {
        let (reply, answer) = mpsc::channel();
        // If the thread has died, the reply dies with the job and `wait` says so.
        let _ = self.jobs.send(Job { dones, reply });
        Written { answer }
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
            Err(_) => Err(CommitError::Gone("a sink panicked".to_owned())),
        }
    }
}

fn write(writer: &mut dyn Writer, dones: &[Done]) -> Result<Lines, SinkError> {
    let spans = dones.iter().map(|done| writer.write(&done.visit)).collect::<Result<_, _>>()?;
    Ok((writer.sync()?, spans))
}
