//! Keeps `http` actions out of private networks: every address a name resolves to is checked, and only a checked one is used.
//!
//! It is the client's own resolver, so there is no second look-up that could answer differently (DNS rebinding). Never
//! consulted for addresses written in a URL: those are checked by [`Guard::literal`] before anything is sent.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Networks that are nobody's business from outside; IANA special-purpose registries for IPv4 and IPv6.
const CLOSED: [&str; 26] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/128",
    "::1/128",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/23",
    "2001:db8::/32",
    "5f00::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
];

/// An address that may not be reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{host} is at {address}, a private or local address; if that is meant, add {network} to allow_networks in config.yaml")]
pub(super) struct Blocked {
    host: String,
    address: IpAddr,
    network: IpNet,
}

/// Which addresses may be reached.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    allow: Arc<[IpNet]>,
    closed: Arc<[IpNet]>,
}

impl Guard {
    /// All public addresses, and those in `allow`.
    pub(super) fn new(allow: &[IpNet]) -> Self {
        Self { allow: allow.into(), closed: CLOSED.iter().filter_map(|net| net.parse().ok()).collect() }
    }

    /// Refuses a URL whose host is written as an address that may not be reached; decimal and other odd forms of IPv4 have
    /// been read by the URL parser.
    pub(super) fn literal(&self, url: &Url) -> Result<(), Blocked> {
        match url.host() {
            Some(Host::Ipv4(ip)) => self.check(&ip.to_string(), IpAddr::V4(ip)),
            Some(Host::Ipv6(ip)) => self.check(&ip.to_string(), IpAddr::V6(ip)),
            _ => Ok(()),
        }
    }

    fn check(&self, host: &str, address: IpAddr) -> Result<(), Blocked> {
        let forms = [Some(address), embedded(address).map(IpAddr::V4)];
        if forms.iter().flatten().any(|ip| self.allow.iter().any(|net| net.contains(ip))) {
            return Ok(());
        }
        let closed = forms.iter().flatten().find_map(|ip| self.closed.iter().find(|net| net.contains(ip)));
        match closed {
            Some(network) => Err(Blocked { host: host.to_owned(), address, network: *network }),
            None => Ok(()),
        }
    }
}

/// The IPv4 address that an IPv6 address leads to: mapped, compatible, NAT64, 6to4.
fn embedded(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(ip) = address else { return None };
    let s = ip.segments();
    let low = || Some(Ipv4Addr::from(((u32::from(s[6])) << 16) | u32::from(s[7])));
    match s {
        _ if ip == Ipv6Addr::UNSPECIFIED || ip == Ipv6Addr::LOCALHOST => None,
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => low(),
        [0x2002, high, low, ..] => Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low))),
        _ => None,
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            // Port 0: the client puts the URL's port in.
            let addresses: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            // One closed address among open ones is enough to refuse: nobody honest publishes such a name.
            for address in &addresses {
                guard.check(name.as_str(), address.ip())?;
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(allow: &[&str], url: &str, expect: &str) {
        let allow: Vec<IpNet> = allow.iter().map(|n| n.parse().unwrap()).collect();
        let got = Guard::new(&allow).literal(&url.parse().unwrap());
        assert_eq!(got.map_or_else(|b| b.network.to_string(), |()| "open".into()), expect, "{url}");
    }

    #[test]
    fn every_form_of_a_private_address_is_closed() {
        assert_eq!(Guard::new(&[]).closed.len(), CLOSED.len(), "a network in the table does not parse");
        check(&[], "http://169.254.169.254/latest/meta-data", "169.254.0.0/16");
        check(&[], "http://[::ffff:127.0.0.1]/", "127.0.0.0/8");
        check(&[], "http://[::ffff:7f00:1]/", "127.0.0.0/8");
        check(&[], "http://[::127.0.0.1]/", "127.0.0.0/8");
        check(&[], "http://2130706433/", "127.0.0.0/8");
        check(&[], "http://0x7f.1/", "127.0.0.0/8");
        check(&[], "http://017700000001/", "127.0.0.0/8");
        check(&[], "http://0/", "0.0.0.0/8");
        check(&[], "http://192.168.1.1/", "192.168.0.0/16");
        check(&[], "http://[::1]/", "::1/128");
        check(&[], "http://[64:ff9b::a00:1]/", "10.0.0.0/8");
        check(&[], "http://[2002:a00:1::1]/", "10.0.0.0/8");
        check(&[], "http://[fe80::1]/", "fe80::/10");
        check(&[], "http://[fd00::1]/", "fc00::/7");
        check(&[], "http://[2606:4700:4700::1111]/", "open");
        check(&[], "http://1.1.1.1/", "open");
    }

    #[test]
    fn a_network_can_be_allowed() {
        check(&["127.0.0.0/8"], "http://[::ffff:127.0.0.1]/", "open");
        check(&["127.0.0.0/8"], "http://127.0.0.1/", "open");
        check(&["127.0.0.0/8"], "http://10.0.0.1/", "10.0.0.0/8");
        check(&["fd00::/8"], "http://[fd00::1]/", "open");
    }

    #[tokio::test]
    async fn a_name_is_checked_where_it_is_resolved() {
        let message =
            |r: Result<Addrs, _>| r.map_or_else(|e: Box<dyn std::error::Error + Send + Sync>| e.to_string(), |_| "open".into());
        let closed = message(Guard::new(&[]).resolve("localhost".parse().unwrap()).await);
        assert!(closed.contains("localhost is at ") && closed.contains("to allow_networks"), "{closed}");
        let allow = ["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        assert_eq!(message(Guard::new(&allow).resolve("localhost".parse().unwrap()).await), "open");
    }
}
