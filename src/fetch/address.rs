//! Which addresses may be asked: the public internet, and the networks that the config allows.
//! Knows no names and does no lookup.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use thiserror::Error;

use super::settings::PrivateNetworks;

/// What is not the public internet in IPv4: the IANA special-purpose registry, first match wins.
const SPECIAL_V4: &[([u8; 4], u32, &str)] = &[
    ([0, 0, 0, 0], 8, "an unspecified address"),
    ([10, 0, 0, 0], 8, "a private address"),
    ([100, 64, 0, 0], 10, "a shared address of carriers"),
    ([127, 0, 0, 0], 8, "a loopback address"),
    ([169, 254, 0, 0], 16, "a link-local address"),
    ([172, 16, 0, 0], 12, "a private address"),
    ([192, 0, 0, 0], 24, "a reserved address"),
    ([192, 0, 2, 0], 24, "a documentation address"),
    ([192, 88, 99, 0], 24, "a reserved address"),
    ([192, 168, 0, 0], 16, "a private address"),
    ([198, 18, 0, 0], 15, "a benchmarking address"),
    ([198, 51, 100, 0], 24, "a documentation address"),
    ([203, 0, 113, 0], 24, "a documentation address"),
    ([224, 0, 0, 0], 4, "a multicast address"),
    ([240, 0, 0, 0], 4, "a reserved address"),
];

/// The same for IPv6. What is left over outside `2000::/3` is reserved as well.
const SPECIAL_V6: &[([u16; 8], u32, &str)] = &[
    ([0, 0, 0, 0, 0, 0, 0, 0], 128, "an unspecified address"),
    ([0, 0, 0, 0, 0, 0, 0, 1], 128, "a loopback address"),
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23, "a reserved address"),
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32, "a documentation address"),
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, "a documentation address"),
    ([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, "a private address"),
    ([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, "a link-local address"),
    ([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10, "a private address"),
    ([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, "a multicast address"),
];

/// Decides about addresses, after the name was resolved.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    allowed: Vec<Network>,
}

/// A network in CIDR form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    base: IpAddr,
    /// Never more than the width of `base`.
    prefix: u32,
}

/// An address that may not be asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{ip} is {kind}, which `http.allow_private_networks` does not allow")]
pub(super) struct Refused {
    /// The address.
    pub(super) ip: IpAddr,
    /// What it is, with its article.
    pub(super) kind: &'static str,
}

impl Filter {
    /// The filter that the config asks for. The error is the network that is none, and why.
    pub(super) fn new(allow: &PrivateNetworks) -> Result<Self, (String, &'static str)> {
        let allowed = match allow {
            PrivateNetworks::All(false) => Vec::new(),
            PrivateNetworks::All(true) => {
                vec![
                    Network { base: Ipv4Addr::UNSPECIFIED.into(), prefix: 0 },
                    Network { base: Ipv6Addr::UNSPECIFIED.into(), prefix: 0 },
                ]
            }
            PrivateNetworks::Some(networks) => networks
                .iter()
                .map(|text| text.parse().map_err(|why| (text.clone(), why)))
                .collect::<Result<_, _>>()?,
        };
        Ok(Self { allowed })
    }

    /// Whether `ip` may be asked.
    pub(super) fn check(&self, ip: IpAddr) -> Result<(), Refused> {
        // `::ffff:10.0.0.1` is reached as 10.0.0.1, so it is judged as such.
        let ip = ip.to_canonical();
        match special(ip) {
            Some(kind) if !self.allowed.iter().any(|network| network.contains(ip)) => {
                Err(Refused { ip, kind })
            }
            _ => Ok(()),
        }
    }
}

impl Network {
    fn contains(self, ip: IpAddr) -> bool {
        match (self.base, ip) {
            (IpAddr::V4(base), IpAddr::V4(ip)) => same_v4(base, ip, self.prefix),
            (IpAddr::V6(base), IpAddr::V6(ip)) => same_v6(base, ip, self.prefix),
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let base: IpAddr = address.parse().map_err(|_| "it does not begin with an IP address")?;
        let width = if base.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => width,
            Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().map_err(|_| "its prefix is too long")?
            }
            Some(_) => return Err("its prefix is not a number"),
        };
        if prefix > width {
            return Err("its prefix is longer than the address");
        }
        let host_bits = match base {
            IpAddr::V4(v4) => u128::from(u32::from(v4)) & tail(prefix, 32),
            IpAddr::V6(v6) => u128::from(v6) & tail(prefix, 128),
        };
        if host_bits != 0 {
            return Err("bits are set behind its prefix");
        }
        Ok(Self { base, prefix })
    }
}

/// Whether a text is a network in CIDR form, or a single address; the error says what is wrong with it.
pub fn check_network(text: &str) -> Result<(), &'static str> {
    text.parse::<Network>().map(drop)
}

/// What makes an address special, if it is not of the public internet.
fn special(ip: IpAddr) -> Option<&'static str> {
    match ip {
        IpAddr::V4(v4) => special_v4(v4),
        IpAddr::V6(v6) => {
            let listed = SPECIAL_V6.iter().find(|(base, prefix, _)| same_v6((*base).into(), v6, *prefix));
            match (listed, embedded(v6)) {
                (Some((_, _, kind)), _) => Some(kind),
                // A gateway would carry the request on to the address inside.
                (None, Some(inner)) => special_v4(inner),
                (None, None) if v6.segments()[0] & 0xe000 == 0x2000 => None,
                (None, None) => Some("a reserved address"),
            }
        }
    }
}

fn special_v4(v4: Ipv4Addr) -> Option<&'static str> {
    SPECIAL_V4.iter().find(|(base, prefix, _)| same_v4((*base).into(), v4, *prefix)).map(|(_, _, kind)| *kind)
}

/// The IPv4 address inside a NAT64 (`64:ff9b::/96`) or 6to4 (`2002::/16`) address.
fn embedded(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let join = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match v6.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => Some(join(high, low)),
        _ => None,
    }
}

fn same_v4(a: Ipv4Addr, b: Ipv4Addr, prefix: u32) -> bool {
    u128::from(u32::from(a) ^ u32::from(b)) & !tail(prefix, 32) == 0
}

fn same_v6(a: Ipv6Addr, b: Ipv6Addr, prefix: u32) -> bool {
    (u128::from(a) ^ u128::from(b)) & !tail(prefix, 128) == 0
}

/// The bits behind a prefix of an address `width` bits wide.
fn tail(prefix: u32, width: u32) -> u128 {
    match width.saturating_sub(prefix) {
        0 => 0,
        bits => u128::MAX >> (128 - bits),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed() -> Filter {
        Filter::new(&PrivateNetworks::All(false)).expect("filter")
    }

    fn refused(filter: &Filter, ip: &str) -> bool {
        filter.check(ip.parse().expect(ip)).is_err()
    }

    #[test]
    fn only_the_public_internet_is_asked() {
        for ip in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.255.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.1",
            "224.0.0.1",
            "239.1.2.3",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::2",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:192.168.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a00:1",
            "64:ff9b:1::808:808",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:c0a8:1::1",
            "3fff::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(refused(&closed(), ip), "{ip}");
        }
        for ip in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "172.15.255.255",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::1",
            "2001:200::1",
            "2606:4700:4700::1111",
            "2a00:1450::1",
        ] {
            assert!(!refused(&closed(), ip), "{ip}");
        }
    }

    #[test]
    fn listed_networks_are_asked_and_no_others() {
        let list = |networks: &[&str]| {
            Filter::new(&PrivateNetworks::Some(networks.iter().map(ToString::to_string).collect()))
        };
        let filter = list(&["10.1.0.0/16", "127.0.0.1", "fd00::/8"]).expect("filter");
        for ip in ["10.1.2.3", "::ffff:10.1.2.3", "127.0.0.1", "fd12::1", "8.8.8.8"] {
            assert!(!refused(&filter, ip), "{ip}");
        }
        for ip in ["10.2.0.1", "127.0.0.2", "fe80::1", "::1", "64:ff9b::a01:203"] {
            assert!(refused(&filter, ip), "{ip}");
        }
        let open = Filter::new(&PrivateNetworks::All(true)).expect("filter");
        assert!(!refused(&open, "127.0.0.1") && !refused(&open, "fe80::1") && !refused(&open, "::"));

        for (text, why) in [
            ("10.0.0.0/33", "its prefix is longer than the address"),
            ("10.0.0.0/", "its prefix is not a number"),
            ("10.0.0.0/+8", "its prefix is not a number"),
            ("10.0.0.0/99999999999", "its prefix is too long"),
            ("10.0.0.1/8", "bits are set behind its prefix"),
            ("intranet/8", "it does not begin with an IP address"),
            ("::1/0", "bits are set behind its prefix"),
            ("", "it does not begin with an IP address"),
        ] {
            assert_eq!(list(&[text]).expect_err(text), (text.to_owned(), why));
        }
    }

    #[test]
    fn a_refusal_says_what_the_address_is() {
        let refused = closed().check(IpAddr::from([10, 0, 0, 1])).expect_err("private");
        assert_eq!(
            refused.to_string(),
            "10.0.0.1 is a private address, which `http.allow_private_networks` does not allow"
        );
    }

    proptest::proptest! {
        #[test]
        fn networks_never_panic_and_hold_their_base(text in "[0-9a-f:./]{0,40}", v4: [u8; 4], prefix in 0u32..=32) {
            let _ = text.parse::<Network>();
            let base = Ipv4Addr::from(u32::from(Ipv4Addr::from(v4)) & !u32::try_from(tail(prefix, 32)).expect("32 bits"));
            let network: Network = format!("{base}/{prefix}").parse().expect("a network");
            proptest::prop_assert!(network.contains(base.into()));
            proptest::prop_assert!(network.contains(Ipv4Addr::from(v4).into()));
        }
    }
}
