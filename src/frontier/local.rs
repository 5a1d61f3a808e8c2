//! The backlog of one process: in memory up to a bound, beyond it in scratch files. The frontier journal stands
//! behind it, so nothing here has to survive a crash.
//!
//! Memory is what requests take packed, in blocks of 128 bytes, up to the bound; about 150 bytes and its name for a
//! host; and for a host of which something was written out about 200 more, and 16 for each segment. When the bound is
//! exceeded, everything is written out at once but what would cost as much to find again.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::{BuildHasher as _, RandomState};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use hashbrown::HashTable;

use super::backlog::{Backlog, BacklogError, HostLease, HostState, Stats};
use super::blocks::Blocks;
use super::overflow::{Overflow, Scratch};
use super::packed::Packer;
use super::queue::{Lane, Queue};
use crate::model::Request;

/// What a lane on disk costs in memory: fewer bytes than that are not worth writing out.
const FLOOR: usize = 256;
/// Requests whose hosts are read at once: few enough that all of it stays near.
const WARM: usize = 128;
/// More than that is written out, whatever the bound: it keeps each queue within what a [`super::blocks::Chain`] holds.
const MAX_MEMORY: usize = 1 << 30;

/// One host. Stands in `due` exactly once unless it is lent. A cache line: where many hosts take turns each of them has
/// to come from afar.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Host {
    name: Arc<str>,
    queue: Queue,
    lent: bool,
}

const _: () = assert!(size_of::<Host>() == 64, "one line, and aligned to it");

/// Requests that wait, host by host.
#[derive(Debug)]
pub struct Local {
    /// Places in `hosts`, by the hash of the name that stands there.
    places: HashTable<u32>,
    hasher: RandomState,
    hosts: Vec<Host>,
    /// Places that are free; the hosts there are empty.
    free: Vec<usize>,
    /// Hosts by the time at which they may be asked, then by turn.
    due: BinaryHeap<Reverse<(Instant, u64, usize)>>,
    turn: u64,
    queued: u64,
    /// Hosts that were never asked may be asked from here on.
    epoch: Instant,
    packer: Packer,
    blocks: Blocks,
    scratch: Scratch,
    /// Bytes of blocks in use.
    memory: Memory,
    /// The packed request that was popped last.
    popped: Vec<u8>,
}

/// How many bytes queues may take in memory.
#[derive(Debug)]
struct Memory {
    bound: usize,
    /// Above this all is written out. Higher than the bound while what is not worth writing fills that.
    mark: usize,
}

impl Local {
    /// An empty backlog; hosts that come new may be asked from `epoch` on. Deletes what an earlier process left in
    /// the directory for scratch files.
    pub fn new(epoch: Instant, settings: &Overflow) -> Result<Self, BacklogError> {
        let bound = usize::try_from(settings.memory).unwrap_or(MAX_MEMORY).min(MAX_MEMORY);
        let memory = Memory { bound, mark: bound };
        Ok(Self { scratch: Scratch::new(settings)?, memory, ..Self::in_memory(epoch) })
    }

    /// An empty backlog that never touches the disk, for less than a GiB of requests.
    pub fn in_memory(epoch: Instant) -> Self {
        Self {
            places: HashTable::new(),
            hasher: RandomState::new(),
            hosts: Vec::new(),
            free: Vec::new(),
            due: BinaryHeap::new(),
            turn: 0,
            queued: 0,
            epoch,
            packer: Packer::default(),
            blocks: Blocks::default(),
            scratch: Scratch::default(),
            memory: Memory { bound: MAX_MEMORY, mark: MAX_MEMORY },
            popped: Vec::new(),
        }
    }

    /// Bytes that the queue takes on disk now.
    pub fn disk_bytes(&self) -> u64 {
        self.scratch.bytes()
    }

    fn wait(&mut self, place: usize, not_before: Instant) {
        self.turn += 1;
        self.due.push(Reverse((not_before, self.turn, place)));
    }

    /// The place of a host that is known.
    fn place_of(&self, name: &str) -> Option<usize> {
        let is_here = |place: &u32| *self.hosts[*place as usize].name == *name;
        self.places.find(self.hasher.hash_one(name), is_here).map(|place| *place as usize)
    }

    /// Reads, for a batch of requests, the first of what admitting each of them will touch. With very many hosts all of
    /// it comes from memory, and what is read in a short loop comes side by side, where one by one each would be waited
    /// for. A place that only looks like the right one does no harm here.
    fn warm(&self, batch: &[Request]) {
        let place = |request: &Request| self.places.find(self.hasher.hash_one(&*request.host), |_| true);
        let hosts: Vec<&Host> =
            batch.iter().filter_map(place).map(|place| &self.hosts[*place as usize]).collect();
        black_box(hosts.iter().fold(0, |sum, host| sum ^ host.name.len()));
        black_box(
            hosts.iter().fold(0, |sum, host| sum ^ host.name.as_bytes().first().map_or(0, |byte| *byte)),
        );
        black_box(hosts.iter().fold(0, |sum, host| sum ^ host.queue.touch(&self.blocks)));
    }

    /// The place of a host, which is made if it is new.
    fn place(&mut self, name: &str) -> Result<usize, BacklogError> {
        if let Some(place) = self.place_of(name) {
            return Ok(place);
        }
        let place = self.free.pop().unwrap_or(self.hosts.len());
        let number = u32::try_from(place).map_err(|_| BacklogError::TooManyHosts)?;
        let host = Host { name: Arc::from(name), ..Host::default() };
        match self.hosts.get_mut(place) {
            Some(free) => *free = host,
            None => self.hosts.push(host),
        }
        let (hosts, hasher) = (&self.hosts, &self.hasher);
        let hash = |place: &u32| hasher.hash_one(&*hosts[*place as usize].name);
        self.places.insert_unique(hash(&number), number, hash);
        self.wait(place, self.epoch);
        Ok(place)
    }

    fn forget(&mut self, place: usize) {
        let host = std::mem::take(&mut self.hosts[place]);
        let is_it = |other: &u32| *other as usize == place;
        if let Ok(entry) = self.places.find_entry(self.hasher.hash_one(&*host.name), is_it) {
            entry.remove();
        }
        self.free.push(place);
    }

    /// Packs a request and puts it to either end of its lane.
    fn put(
        &mut self,
        place: usize,
        request: &Request,
        to_end: fn(&mut Lane, &[u8], &mut Blocks),
    ) -> Result<(), BacklogError> {
        let lane = self.hosts[place].queue.lane(request.priority);
        to_end(lane, self.packer.pack(request)?, &mut self.blocks);
        self.queued += 1;
        self.keep_to_the_bound()
    }

    fn take(&mut self, place: usize, max: usize) -> Result<Vec<Request>, BacklogError> {
        let Self { hosts, blocks, scratch, packer, popped, .. } = self;
        let Host { name, queue, .. } = &mut hosts[place];
        let mut requests = Vec::new();
        while requests.len() < max
            && let Some(lane) = queue.next()
        {
            let count = lane.load(blocks, scratch)?.min(max - requests.len());
            requests.reserve_exact(count);
            for _ in 0..count {
                lane.pop(blocks, popped)?;
                requests.push(packer.unpack(popped, name, lane.priority)?);
            }
            lane.tidy();
        }
        self.queued -= requests.len() as u64;
        self.memory.lower_mark(self.blocks.memory());
        self.keep_to_the_bound()?;
        Ok(requests)
    }

    fn keep_to_the_bound(&mut self) -> Result<(), BacklogError> {
        if self.blocks.memory() > self.memory.mark { self.spill() } else { Ok(()) }
    }

    /// Writes out all that is worth it. The time it takes, a pass over all hosts, is paid by the quarter of the bound
    /// that has to be filled again before the next.
    fn spill(&mut self) -> Result<(), BacklogError> {
        let floor = (self.memory.bound / 64).clamp(1, FLOOR);
        let mut buffer = Vec::new();
        for lane in self.hosts.iter_mut().flat_map(|host| host.queue.lanes()) {
            lane.spill(floor, &mut self.blocks, &mut self.scratch, &mut buffer)?;
        }
        self.memory.mark = usize::MAX;
        self.memory.lower_mark(self.blocks.memory());
        self.scratch.write()
    }
}

impl Memory {
    fn lower_mark(&mut self, held: usize) {
        self.mark = self.mark.min(held.saturating_add(self.bound / 4)).max(self.bound);
    }
}

impl Backlog for Local {
    fn admit(&mut self, requests: &[Request]) -> Result<(), BacklogError> {
        for batch in requests.chunks(WARM) {
            self.warm(batch);
            for request in batch {
                let place = self.place(&request.host)?;
                self.put(place, request, Lane::push)?;
            }
        }
        Ok(())
    }

    fn claim(
        &mut self,
        now: Instant,
        max_hosts: usize,
        max_requests_per_host: usize,
    ) -> Result<Vec<HostLease>, BacklogError> {
        let mut lent = Vec::new();
        while lent.len() < max_hosts && self.due.peek().is_some_and(|Reverse((at, _, _))| *at <= now) {
            let Some(Reverse((not_before, _, place))) = self.due.pop() else { break };
            let requests = self.take(place, max_requests_per_host.max(1))?;
            if requests.is_empty() {
                // It owes no wait any more and has nothing to ask for.
                self.forget(place);
            } else {
                let host = &mut self.hosts[place];
                host.lent = true;
                lent.push(HostLease { host: Arc::clone(&host.name), requests, not_before });
            }
        }
        Ok(lent)
    }

    fn more(&mut self, host: &str, max_requests: usize) -> Result<Vec<Request>, BacklogError> {
        match self.place_of(host) {
            Some(place) => self.take(place, max_requests),
            None => Ok(Vec::new()),
        }
    }

    fn release(&mut self, lease: HostLease, state: HostState) -> Result<(), BacklogError> {
        let HostLease { host, requests, .. } = lease;
        let place = self.place(&host)?;
        for request in requests.into_iter().rev() {
            self.put(place, &request, Lane::push_front)?;
        }
        if std::mem::take(&mut self.hosts[place].lent) {
            self.wait(place, state.not_before);
        }
        Ok(())
    }

    fn next_due(&self) -> Option<Instant> {
        self.due.peek().map(|Reverse((at, _, _))| *at)
    }

    fn stats(&self) -> Stats {
        Stats { queued: self.queued, hosts: self.due.len() }
    }

    fn hosts(&self, each: &mut dyn FnMut(&str, u64, Option<Instant>)) {
        for Reverse((not_before, _, place)) in &self.due {
            let host = &self.hosts[*place];
            each(&host.name, host.queue.len(), Some(*not_before));
        }
        for host in self.hosts.iter().filter(|host| host.lent) {
            each(&host.name, host.queue.len(), None);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::Path;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::frontier::backlog::contract::{self, request};

    fn local(dir: &Path, memory: u64) -> Local {
        Local::new(Instant::now(), &Overflow { dir: dir.to_owned(), memory }).expect("an empty directory")
    }

    fn files(dir: &Path) -> usize {
        std::fs::read_dir(dir).map_or(0, Iterator::count)
    }

    #[test]
    fn the_contract_holds_in_memory_and_nothing_is_written() {
        let dir = tempfile::tempdir().expect("directory");
        let dir = dir.path().join("scratch");
        contract::holds(|epoch| {
            Local::new(epoch, &Overflow { dir: dir.clone(), memory: 1 << 20 }).expect("no directory yet")
        });
        assert!(!dir.exists());
    }

    #[test]
    fn the_contract_holds_where_everything_is_written_out() {
        let dirs = tempfile::tempdir().expect("directory");
        let number = std::cell::Cell::new(0);
        contract::holds(|epoch| {
            number.set(number.get() + 1);
            let dir = dirs.path().join(number.get().to_string());
            Local::new(epoch, &Overflow { dir, memory: 0 }).expect("no directory yet")
        });
        assert_eq!(files(dirs.path()), 0, "each cleans up after itself");
    }

    /// Requests of several hosts, more than memory holds, in the order in which they go.
    fn fill(backlog: &mut Local, hosts: usize, pages: usize) -> Vec<Vec<String>> {
        let path = "a-path-of-some-length/".repeat(3);
        let url = |host: usize, page: usize| format!("http://h{host}/{path}{page}");
        for page in 0..pages {
            let all: Vec<Request> = (0..hosts).map(|host| request(&url(host, page))).collect();
            backlog.admit(&all).expect("disk");
        }
        (0..hosts).map(|host| (0..pages).map(|page| url(host, page)).collect()).collect()
    }

    fn drained(backlog: &mut Local, now: Instant) -> BTreeMap<String, Vec<String>> {
        let mut urls = BTreeMap::<String, Vec<String>>::new();
        loop {
            let lent = backlog.claim(now, 3, 7).expect("disk");
            if lent.is_empty() {
                return urls;
            }
            for lease in lent {
                let of_host = urls.entry(lease.host.to_string()).or_default();
                of_host.extend(lease.requests.iter().map(|request| request.url.to_string()));
                let spent = HostLease { requests: Vec::new(), ..lease };
                backlog.release(spent, HostState { not_before: now }).expect("disk");
            }
        }
    }

    #[test]
    fn memory_is_bounded_the_order_kept_and_no_file_left() {
        let dir = tempfile::tempdir().expect("directory");
        let dir = dir.path().join("scratch");
        let mut backlog = local(&dir, 8 << 10);
        let expected = fill(&mut backlog, 5, 400);
        assert!(backlog.disk_bytes() > 100_000, "{} bytes on disk", backlog.disk_bytes());
        assert!(backlog.blocks.memory() <= 8 << 10, "{} bytes held", backlog.blocks.memory());
        assert!(files(&dir) > 2);
        let drained = drained(&mut backlog, Instant::now() + Duration::from_secs(1));
        assert_eq!(drained.into_values().collect::<Vec<_>>(), expected);
        assert_eq!((backlog.blocks.memory(), backlog.disk_bytes(), files(&dir)), (0, 0, 0));
        assert_eq!((backlog.places.len(), backlog.stats()), (0, Stats::default()));
    }

    #[test]
    fn hosts_with_too_little_to_write_do_not_make_every_request_try() {
        let dir = tempfile::tempdir().expect("directory");
        let mut backlog = local(dir.path(), 64 << 10);
        // A page or two each: all below the floor, together above the bound.
        for host in 0..10_000 {
            backlog.admit(&[request(&format!("http://h{host}/page"))]).expect("disk");
        }
        assert_eq!(backlog.disk_bytes(), 0);
        assert!(backlog.blocks.memory() > backlog.memory.bound);
        assert!(backlog.memory.mark > backlog.blocks.memory());
        let now = Instant::now() + Duration::from_secs(1);
        assert_eq!(backlog.claim(now, 9_999, 1).expect("memory").len(), 9_999);
        assert_eq!(backlog.memory.mark, backlog.memory.bound, "the mark goes down with what is held");
    }

    #[test]
    fn a_damaged_file_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().expect("directory");
        let mut backlog = local(dir.path(), 4 << 10);
        fill(&mut backlog, 1, 500);
        let file = dir.path().join("queue-00000001.scratch");
        let mut bytes = std::fs::read(&file).expect("a first file");
        bytes[100] ^= 1;
        std::fs::write(&file, bytes).expect("writes");
        let error = backlog.claim(Instant::now(), 1, 500).expect_err("damaged");
        assert!(matches!(&error, BacklogError::Damaged { path, .. } if *path == file), "{error}");
        assert!(error.to_string().contains("run again"), "{error}");
    }

    /// What a backlog should do, in the simplest words: of each host the requests by priority and turn. What comes
    /// back gets turns before all others.
    #[derive(Default)]
    struct Model {
        queues: BTreeMap<usize, BTreeMap<(u8, i64), String>>,
        lent: BTreeSet<usize>,
        turn: i64,
    }

    impl Model {
        fn take(&mut self, host: usize, max: usize) -> Vec<(u8, String)> {
            let queue = self.queues.entry(host).or_default();
            let first = std::iter::from_fn(|| queue.pop_first());
            first.take(max).map(|((priority, _), url)| (priority, url)).collect()
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Admit { host: usize, priority: u8, count: usize, bytes: usize },
        Claim { hosts: usize, max: usize },
        More { host: usize, max: usize },
        Release { host: usize, keep: usize },
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..4_usize, prop_oneof![3 => Just(1_u8), 1 => 0..4_u8], 1..40_usize, 0..200_usize)
                .prop_map(|(host, priority, count, bytes)| Step::Admit { host, priority, count, bytes }),
            2 => (1..4_usize, 1..40_usize).prop_map(|(hosts, max)| Step::Claim { hosts, max }),
            1 => (0..4_usize, 1..40_usize).prop_map(|(host, max)| Step::More { host, max }),
            2 => (0..4_usize, 0..40_usize).prop_map(|(host, keep)| Step::Release { host, keep }),
        ]
    }

    fn facts(requests: &[Request]) -> Vec<(u8, String)> {
        requests.iter().map(|request| (request.priority, request.url.to_string())).collect()
    }

    fn host_number(name: &str) -> usize {
        name.trim_start_matches('h').parse().expect("a number")
    }

    proptest! {
        #[test]
        fn whatever_happens_it_does_what_the_model_does(steps in proptest::collection::vec(step(), 1..120)) {
            let dir = tempfile::tempdir().expect("directory");
            let mut backlog = local(dir.path(), 4 << 10);
            let now = Instant::now() + Duration::from_secs(1);
            let (mut model, mut leases) = (Model::default(), BTreeMap::<usize, HostLease>::new());
            for step in steps {
                match step {
                    Step::Admit { host, priority, count, bytes } => for _ in 0..count {
                        model.turn += 1;
                        let url = format!("http://h{host}/{}{}", "x".repeat(bytes), model.turn);
                        backlog.admit(&[Request { priority, ..request(&url) }]).expect("disk");
                        model.queues.entry(host).or_default().insert((priority, model.turn), url);
                    },
                    Step::Claim { hosts, max } => {
                        let waiting = |(host, queue): (&usize, &BTreeMap<_, _>)| !queue.is_empty() && !model.lent.contains(host);
                        let could = model.queues.iter().filter(|entry| waiting(*entry)).count();
                        let lent = backlog.claim(now, hosts, max).expect("disk");
                        prop_assert_eq!(lent.len(), could.min(hosts));
                        for lease in lent {
                            let host = host_number(&lease.host);
                            prop_assert!(model.lent.insert(host), "lent twice");
                            prop_assert_eq!(facts(&lease.requests), model.take(host, max));
                            leases.insert(host, lease);
                        }
                    }
                    Step::More { host, max } => {
                        let more = backlog.more(&format!("h{host}"), max).expect("disk");
                        prop_assert_eq!(facts(&more), model.take(host, max));
                        if let Some(lease) = leases.get_mut(&host) {
                            lease.requests.extend(more);
                        }
                    }
                    Step::Release { host, keep } => if let Some(mut lease) = leases.remove(&host) {
                        lease.requests.drain(..lease.requests.len().saturating_sub(keep));
                        for (nth, (priority, url)) in (1..).zip(facts(&lease.requests).into_iter().rev()) {
                            let turn = -1_000_000 * (model.turn + 1) - nth;
                            model.queues.entry(host).or_default().insert((priority, turn), url);
                        }
                        model.turn += 1;
                        model.lent.remove(&host);
                        backlog.release(lease, HostState { not_before: now }).expect("disk");
                    }
                }
                let queued = model.queues.values().map(BTreeMap::len).sum::<usize>() as u64;
                prop_assert_eq!(backlog.stats().queued, queued);
                let mut listed = 0;
                backlog.hosts(&mut |name, count, not_before| {
                    assert_eq!(not_before.is_none(), model.lent.contains(&host_number(name)));
                    listed += count;
                });
                prop_assert_eq!(listed, queued);
                let held = backlog.blocks.memory();
                prop_assert!(held <= backlog.memory.mark && backlog.memory.mark <= 6 << 10, "{} bytes held", held);
            }
            for (host, lease) in leases {
                model.lent.remove(&host);
                backlog.release(HostLease { requests: Vec::new(), ..lease }, HostState { not_before: now }).expect("disk");
            }
            for (host, urls) in drained(&mut backlog, now) {
                let rest: Vec<String> = model.take(host_number(&host), usize::MAX).into_iter().map(|(_, url)| url).collect();
                prop_assert_eq!(urls, rest);
            }
            prop_assert!(model.queues.values().all(BTreeMap::is_empty));
            prop_assert_eq!((backlog.disk_bytes(), files(dir.path())), (0, 0));
        }
    }
}
