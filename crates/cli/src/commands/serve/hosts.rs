//! Who a request may think that it talks to.
//!
//! A page of a stranger can have its own name resolve to 127.0.0.1 (DNS rebinding); to the browser
//! that is one origin with us, and the page could read everything. But the request then says the
//! stranger's name in its `Host`, and is refused.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use super::reply;
use crate::error::{CliError, Outcome};

/// The names that are answered to.
#[derive(Debug)]
pub struct Hosts {
    /// With our port.
    own: Vec<String>,
    port: u16,
    /// Listening at all addresses: each of them is ours, and an address cannot be rebound.
    any_address: bool,
    /// Given ones; without a port, with any.
    also: Vec<(String, Option<u16>)>,
}

impl Hosts {
    /// This machine's own names, the one listened at, and `also`.
    ///
    /// # Errors
    /// One of `also` that is no host.
    pub fn new(host: &str, address: SocketAddr, also: &[String]) -> Outcome<Self> {
        let mut own = vec!["127.0.0.1".into(), "localhost".into(), "[::1]".into()];
        own.extend(parse(host).map(|(name, _)| name));
        if let IpAddr::V6(ip) = address.ip() {
            own.push(format!("[{ip}]"));
        }
        let refused = |host: &String| {
            CliError::Input(format!("--allow-host {host}: it must be NAME or NAME:PORT"))
        };
        let also = also
            .iter()
            .map(|host| parse(host).ok_or_else(|| refused(host)));
        Ok(Self {
            own,
            port: address.port(),
            any_address: address.ip().is_unspecified(),
            also: also.collect::<Outcome<_>>()?,
        })
    }

    /// Whether a `Host` is one of ours.
    fn allow(&self, host: &str) -> bool {
        let Some((name, port)) = parse(host) else {
            return false;
        };
        let given = self
            .also
            .iter()
            .any(|(also, with)| *also == name && with.is_none_or(|with| port == Some(with)));
        let own = self.own.contains(&name) || (self.any_address && is_address(&name));
        given || (own && port.unwrap_or(80) == self.port)
    }
}

/// Name in lower case, addresses of version 6 in their shortest form and in brackets; port.
fn parse(host: &str) -> Option<(String, Option<u16>)> {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let (ip, port) = rest.split_once(']')?;
            let ip: Ipv6Addr = ip.parse().ok()?;
            let port = match port {
                "" => None,
                port => Some(port.strip_prefix(':')?),
            };
            (format!("[{ip}]"), port)
        }
        None => match host.split_once(':') {
            Some((name, port)) => (name.to_ascii_lowercase(), Some(port)),
            None => (host.to_ascii_lowercase(), None),
        },
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.[]:".contains(c);
    if name.is_empty() || !name.chars().all(plain) {
        return None;
    }
    let digits = |port: &&str| port.bytes().all(|byte| byte.is_ascii_digit());
    let port = match port {
        Some(port) => Some(Some(port).filter(digits)?.parse().ok()?),
        None => None,
    };
    Some((name, port))
}

fn is_address(name: &str) -> bool {
    name.starts_with('[') || name.parse::<IpAddr>().is_ok()
}

/// Answers only what is meant for us.
pub async fn check(State(hosts): State<Arc<Hosts>>, request: Request, next: Next) -> Response {
    let mut values = request.headers().get_all(header::HOST).iter();
    let (Some(host), None) = (values.next(), values.next()) else {
        let text = "A request must say once which host it is for.";
        return reply::sentence(StatusCode::BAD_REQUEST, text);
    };
    // A whole address in the first line counts more than `Host`, so it must be ours as well.
    let authority = request.uri().authority();
    let asked = [host.to_str().ok(), authority.map(|host| host.as_str())];
    let named = if authority.is_some() {
        &asked[..]
    } else {
        &asked[..1]
    };
    for host in named {
        let host = host.unwrap_or_default();
        if !hosts.allow(host) {
            let text = format!(
                "This server does not answer to the name “{host}”; if that is yours, start it with --allow-host {host}."
            );
            return reply::sentence(StatusCode::MISDIRECTED_REQUEST, &text);
        }
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(host: &str, address: &str, also: &[&str]) -> Hosts {
        let also: Vec<String> = also.iter().map(ToString::to_string).collect();
        Hosts::new(host, address.parse().unwrap(), &also).unwrap()
    }

    #[test]
    fn only_this_machine_with_this_port() {
        let hosts = hosts("127.0.0.1", "127.0.0.1:8470", &[]);
        for host in [
            "127.0.0.1:8470",
            "localhost:8470",
            "LocalHost:8470",
            "[::1]:8470",
            "[0:0::1]:8470",
        ] {
            assert!(hosts.allow(host), "{host}");
        }
        for host in [
            "",
            ":8470",
            "evil.example",
            "evil.example:8470",
            "127.0.0.1",
            "localhost:80",
            "localhost:",
            "localhost:+8470",
            "localhost:8470:8470",
            "localhost@evil.example:8470",
            "127.0.0.1.evil.example:8470",
            "192.168.0.1:8470",
            "[::1",
            "[::1]8470",
            "[evil]:8470",
            "::1:8470",
            "localhost:99999",
            "localhost :8470",
        ] {
            assert!(!hosts.allow(host), "{host}");
        }
    }

    #[test]
    fn the_given_host_given_names_and_the_default_port() {
        let given = hosts(
            "Bench7.local",
            "192.168.0.7:80",
            &["plant.example", "proxy:9000"],
        );
        for host in [
            "bench7.local",
            "bench7.local:80",
            "localhost",
            "plant.example",
            "PLANT.example:443",
            "proxy:9000",
        ] {
            assert!(given.allow(host), "{host}");
        }
        for host in ["192.168.0.8", "proxy", "proxy:80", "x.plant.example"] {
            assert!(!given.allow(host), "{host}");
        }
        assert!(Hosts::new("a", "127.0.0.1:1".parse().unwrap(), &["http://x".into()]).is_err());
    }

    #[test]
    fn listening_at_all_addresses_answers_for_addresses_and_not_for_names() {
        let all = hosts("0.0.0.0", "0.0.0.0:8470", &[]);
        assert!(all.allow("192.168.0.7:8470") && all.allow("[fe80::1]:8470"));
        assert!(!all.allow("192.168.0.7:80") && !all.allow("evil.example:8470"));
    }
}
