//! The parse threads: a few long-lived blocking threads, one a core, fed from one queue and taking several pages
//! at a time. A task a page on the runtime's own blocking pool would cost twice the CPU and a gigabyte.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// Jobs that a thread takes at once.
const BATCH: usize = 32;
/// Room for the deepest document that the parser lets through.
const STACK: usize = 16 << 20;

/// The threads. They end when this is dropped and the queue is empty.
#[derive(Debug)]
pub struct Parsers {
    queue: Arc<Queue>,
    threads: usize,
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    filled: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    idle: usize,
    /// Whether somebody is about to wake them.
    is_waking: bool,
    closed: bool,
}

/// Wakes as many threads as there is work for when it is let go, also where its owner is given up.
struct Wake(Arc<Queue>);

impl Drop for Wake {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.is_waking = false;
        let wanted = state.jobs.len().min(state.idle);
        drop(state);
        (0..wanted).for_each(|_| self.0.filled.notify_one());
    }
}

/// The work panicked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panicked(pub String);

impl Parsers {
    /// Starts so many threads.
    pub fn start(threads: usize) -> std::io::Result<Self> {
        let queue = Arc::new(Queue::default());
        for n in 0..threads {
            let queue = Arc::clone(&queue);
            let work = move || queue.work(threads);
            thread::Builder::new().name(format!("parse-{n}")).stack_size(STACK).spawn(work)?;
        }
        Ok(Self { queue, threads })
    }

    /// How many threads there are.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Runs `work` on one of the threads. It is in their queue at once; a thread that sleeps is woken when the future is
    /// polled or dropped. A panic in it is an answer like any other.
    pub fn run<T, W>(&self, work: W) -> impl Future<Output = Result<T, Panicked>> + use<T, W>
    where
        T: Send + 'static,
        W: FnOnce() -> T + Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        let wake = Queue::push(
            &self.queue,
            Box::new(move || {
                let result = catch_unwind(AssertUnwindSafe(work)).map_err(|panic| Panicked::from(&*panic));
                let _ = tell.send(result);
            }),
        );
        async move {
            if let Some(wake) = wake {
                // The pages that came in with the same turn of the runtime go along, so that threads are woken once for
                // all of them.
                tokio::task::yield_now().await;
                drop(wake);
            }
            told.await.unwrap_or_else(|_| Err(Panicked("the parse thread is gone".to_owned())))
        }
    }
}

impl From<&(dyn std::any::Any + Send)> for Panicked {
    fn from(panic: &(dyn std::any::Any + Send)) -> Self {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Self(text.unwrap_or_else(|| "without a message".to_owned()))
    }
}

impl Drop for Parsers {
    fn drop(&mut self) {
        self.queue.state().closed = true;
        self.queue.filled.notify_all();
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a job. Whoever is given the [`Wake`] lets it go soon: threads wait.
    fn push(queue: &Arc<Self>, job: Job) -> Option<Wake> {
        let mut state = queue.state();
        state.jobs.push_back(job);
        if state.idle == 0 || state.is_waking {
            return None;
        }
        state.is_waking = true;
        drop(state);
        Some(Wake(Arc::clone(queue)))
    }

    fn work(&self, threads: usize) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let mut state = self.state();
            while state.jobs.is_empty() {
                if state.closed {
                    return;
                }
                state.idle += 1;
                state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
            }
            // A fair share, so that a slow page does not hold up others while a thread stands idle.
            let share = state.jobs.len().div_ceil(threads).min(BATCH);
            batch.extend(state.jobs.drain(..share));
            drop(state);
            batch.drain(..).for_each(|job| job());
        }
    }
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("jobs", &self.state().jobs.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;

    use super::*;

    #[tokio::test]
    async fn every_job_is_answered_and_a_panic_harms_no_other() {
        let parsers = Parsers::start(2).expect("threads");
        let jobs = (0..200).map(|n| parsers.run(move || if n == 77 { panic!("page {n}") } else { n }));
        let answers = join_all(jobs).await;
        let failed: Vec<&Panicked> = answers.iter().filter_map(|a| a.as_ref().err()).collect();
        assert_eq!(failed, [&Panicked("page 77".to_owned())]);
        assert_eq!(answers.iter().flatten().sum::<i32>(), (0..200).sum::<i32>() - 77);
    }

    #[tokio::test]
    async fn who_gives_up_before_it_woke_a_thread_wakes_one() {
        use futures::FutureExt as _;

        let parsers = Parsers::start(1).expect("a thread");
        while parsers.queue.state().idle == 0 {
            tokio::task::yield_now().await;
        }
        let (tell, told) = oneshot::channel();
        let given_up = parsers.run(move || tell.send(()));
        assert!(given_up.now_or_never().is_none());
        told.await.expect("it ran");
        assert_eq!(parsers.run(|| 1).await, Ok(1));
    }
}
