//! Names to addresses: overrides first, then a small cache in front of the system's resolver, every
//! answer sifted by the address filter. Never sees a host that is an IP literal: the connector asks for
//! names only, so literals are checked before the request.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use thiserror::Error;

use super::address::{Filter, Refused};

/// How long an answer is good for. The system's resolver does not tell us the time to live.
const KEEP_ANSWER: Duration = Duration::from_mins(5);
/// How long a failed lookup is not tried again.
const KEEP_FAILURE: Duration = Duration::from_secs(30);
/// Hosts remembered at most; about 200 bytes each.
const MAX_HOSTS: usize = 8192;

/// Why a name has no address that could be asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum Unresolved {
    /// The lookup failed, or gave nothing.
    #[error("cannot resolve `{host}`: {why}")]
    Unknown {
        /// The name.
        host: String,
        /// What the resolver said.
        why: String,
    },
    /// Every address of it is refused; this is the first.
    #[error("`{host}` resolves to {}, {}, which `http.allow_private_networks` does not allow", .refused.ip, .refused.kind)]
    Refused {
        /// The name.
        host: String,
        /// Its first address.
        refused: Refused,
    },
}

type Answer = Result<Arc<[IpAddr]>, Unresolved>;
type Lookup = Shared<BoxFuture<'static, Answer>>;

/// The resolver of one client.
pub(super) struct Resolver {
    filter: Filter,
    overrides: HashMap<String, Arc<[IpAddr]>>,
    /// Name of the proxy, which the config names itself and which may therefore be private.
    proxy: Option<String>,
    cache: Cache,
}

/// Lookups by host, under way or done. One lookup a host at a time: who comes later shares it.
#[derive(Default)]
struct Cache {
    lookups: Mutex<HashMap<String, (Instant, Lookup)>>,
}

impl Resolver {
    /// A resolver that sifts by `filter`. Names in `overrides` and `proxy` are in lower case.
    pub(super) fn new(
        filter: Filter,
        overrides: HashMap<String, Arc<[IpAddr]>>,
        proxy: Option<String>,
    ) -> Self {
        Self { filter, overrides, proxy, cache: Cache::default() }
    }

    fn lookup(&self, host: &str) -> Lookup {
        if let Some(addresses) = self.overrides.get(host) {
            return settled(Ok(Arc::clone(addresses)));
        }
        // RFC 6761: these names are loopback, whatever a resolver would say.
        if host == "localhost" || host.ends_with(".localhost") {
            return settled(Ok(Arc::new([Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()])));
        }
        self.cache.get(host, Instant::now(), || ask_system(host.to_owned()).boxed())
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().trim_end_matches('.').to_ascii_lowercase();
        let lookup = self.lookup(&host);
        let filter = (self.proxy.as_deref() != Some(&*host)).then(|| self.filter.clone());
        Box::pin(async move {
            let found = lookup.await?;
            let addresses = match filter {
                Some(filter) => sift(&filter, host, &found)?,
                None => found.to_vec(),
            };
            // Port 0 is replaced with the port of the URL.
            let addresses = addresses.into_iter().map(|ip| SocketAddr::new(ip, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}

impl Cache {
    fn get(&self, host: &str, now: Instant, start: impl FnOnce() -> BoxFuture<'static, Answer>) -> Lookup {
        let mut lookups = self.lookups.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((born, lookup)) = lookups.get(host)
            && is_fresh(lookup, now.saturating_duration_since(*born))
        {
            return lookup.clone();
        }
        if lookups.len() >= MAX_HOSTS {
            lookups.retain(|_, (born, lookup)| is_fresh(lookup, now.saturating_duration_since(*born)));
            // Still full: forgetting everything costs one lookup a host, and happens once in MAX_HOSTS names.
            if lookups.len() >= MAX_HOSTS {
                lookups.clear();
            }
        }
        let lookup = start().shared();
        lookups.insert(host.to_owned(), (now, lookup.clone()));
        lookup
    }
}

/// Whether a lookup of this age may still be used.
fn is_fresh(lookup: &Lookup, age: Duration) -> bool {
    match lookup.peek() {
        None => true,
        Some(Ok(_)) => age < KEEP_ANSWER,
        Some(Err(_)) => age < KEEP_FAILURE,
    }
}

fn settled(answer: Answer) -> Lookup {
    futures::future::ready(answer).boxed().shared()
}

async fn ask_system(host: String) -> Answer {
    let found = tokio::net::lookup_host((host.as_str(), 0)).await;
    match found.map(|addresses| addresses.map(|address| address.ip()).collect::<Vec<_>>()) {
        Ok(found) if found.is_empty() => {
            Err(Unresolved::Unknown { host, why: "it has no address".to_owned() })
        }
        Ok(found) => Ok(found.into()),
        Err(error) => {
            let why = error.to_string();
            let why = why.strip_prefix("failed to lookup address information: ").unwrap_or(&why).to_owned();
            Err(Unresolved::Unknown { host, why })
        }
    }
}

/// The addresses that may be asked; the first refusal if there are none.
fn sift(filter: &Filter, host: String, found: &[IpAddr]) -> Result<Vec<IpAddr>, Unresolved> {
    let mut first_refused = None;
    let mut allowed = Vec::with_capacity(found.len());
    for ip in found {
        match filter.check(*ip) {
            Ok(()) => allowed.push(*ip),
            Err(refused) => {
                first_refused.get_or_insert(refused);
            }
        }
    }
    match first_refused {
        Some(refused) if allowed.is_empty() => Err(Unresolved::Refused { host, refused }),
        _ => Ok(allowed),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::settings::PrivateNetworks;
    use super::*;

    fn resolver(overrides: &[(&str, &[&str])], allow: PrivateNetworks, proxy: Option<&str>) -> Resolver {
        let overrides = overrides
            .iter()
            .map(|(host, ips)| ((*host).to_owned(), ips.iter().map(|ip| ip.parse().expect("ip")).collect()))
            .collect();
        Resolver::new(Filter::new(&allow).expect("filter"), overrides, proxy.map(str::to_owned))
    }

    async fn resolve(resolver: &Resolver, host: &str) -> Result<Vec<String>, String> {
        match resolver.resolve(host.parse().expect("name")).await {
            Ok(addresses) => Ok(addresses.map(|a| a.to_string()).collect()),
            Err(error) => Err(error.downcast::<Unresolved>().expect("our own error").to_string()),
        }
    }

    #[tokio::test]
    async fn refused_addresses_are_sifted_out() {
        let overrides: &[(&str, &[&str])] =
            &[("mixed.test", &["10.0.0.1", "8.8.8.8"]), ("inside.test", &["10.0.0.1", "::1"])];
        let closed = resolver(overrides, PrivateNetworks::All(false), None);
        assert_eq!(resolve(&closed, "mixed.test").await, Ok(vec!["8.8.8.8:0".to_owned()]));
        assert_eq!(
            resolve(&closed, "Inside.test.").await,
            Err("`inside.test` resolves to 10.0.0.1, a private address, which `http.allow_private_networks` does not allow"
                .to_owned())
        );
        for host in ["localhost", "a.b.localhost", "LOCALHOST."] {
            assert!(resolve(&closed, host).await.expect_err(host).contains("a loopback address"), "{host}");
        }
        let open = resolver(overrides, PrivateNetworks::All(true), None);
        assert_eq!(
            resolve(&open, "localhost").await,
            Ok(vec!["127.0.0.1:0".to_owned(), "[::1]:0".to_owned()])
        );
        let proxied = resolver(overrides, PrivateNetworks::All(false), Some("inside.test"));
        assert_eq!(resolve(&proxied, "inside.test").await.map(|all| all.len()), Ok(2));
    }

    #[tokio::test]
    async fn one_lookup_serves_all_until_it_is_old() {
        let asked = AtomicUsize::new(0);
        let cache = Cache::default();
        let start = Instant::now();
        let get = |host: &str, at: u64, answer: Answer| {
            cache.get(host, start + Duration::from_secs(at), || {
                asked.fetch_add(1, Ordering::Relaxed);
                async move {
                    tokio::task::yield_now().await;
                    answer
                }
                .boxed()
            })
        };
        let good: Answer = Ok(Arc::new([IpAddr::from([8, 8, 8, 8])]));
        let bad: Answer = Err(Unresolved::Unknown { host: "b".to_owned(), why: "no".to_owned() });

        let (first, second) = tokio::join!(get("a", 0, good.clone()), get("a", 0, bad.clone()));
        assert_eq!((first, second), (good.clone(), good.clone()));
        assert_eq!(get("a", 299, bad.clone()).await, good);
        assert_eq!(asked.load(Ordering::Relaxed), 1, "under way or kept: never asked again");
        assert_eq!(get("a", 300, bad.clone()).await, bad);
        assert_eq!(get("a", 329, good.clone()).await, bad, "failures are kept as well");
        assert_eq!(get("a", 330, good.clone()).await, good);
        assert_eq!(asked.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn the_cache_is_bounded() {
        let cache = Cache::default();
        let answer: Answer = Ok(Arc::new([IpAddr::from([8, 8, 8, 8])]));
        for n in 0..=MAX_HOSTS {
            let answer = answer.clone();
            drop(cache.get(&format!("h{n}"), Instant::now(), || std::future::ready(answer).boxed()).await);
            assert!(cache.lookups.lock().expect("lock").len() <= MAX_HOSTS);
        }
    }
}
