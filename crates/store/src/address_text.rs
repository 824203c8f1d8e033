//! Addresses as kept text: `ip:port`, `onion:<64 hex>:port`, `name:<host>:port`.

use data_encoding::HEXLOWER;
use protocol::PeerAddr;
use protocol::addr::OnionKey;

pub(crate) fn write(addr: &PeerAddr) -> String {
    match addr {
        PeerAddr::Ip(socket) => format!("ip:{socket}"),
        PeerAddr::Onion(key, port) => format!("onion:{}:{port}", HEXLOWER.encode(&key.0)),
        PeerAddr::Name(host, port) => format!("name:{host}:{port}"),
    }
}

/// `None` for text that [`write`] does not make.
pub(crate) fn read(text: &str) -> Option<PeerAddr> {
    let (kind, rest) = text.split_once(':')?;
    if kind == "ip" {
        return rest.parse().ok().map(PeerAddr::Ip);
    }
    let (host, port) = rest.rsplit_once(':')?;
    let port = port.parse().ok()?;
    match kind {
        "onion" => {
            let key = HEXLOWER.decode(host.as_bytes()).ok()?;
            Some(PeerAddr::Onion(OnionKey(key.try_into().ok()?), port))
        }
        "name" => Some(PeerAddr::Name(host.to_string(), port)),
        _ => None,
    }
}

/// A list, as JSON.
pub(crate) fn write_list(addrs: &[PeerAddr]) -> String {
    serde_json::Value::from(addrs.iter().map(write).collect::<Vec<_>>()).to_string()
}

/// Back again; what cannot be read is left out.
pub(crate) fn read_list(json: &str) -> Vec<PeerAddr> {
    let texts: Vec<String> = serde_json::from_str(json).unwrap_or_default();
    texts.iter().filter_map(|text| read(text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn addr() -> impl Strategy<Value = PeerAddr> {
        prop_oneof![
            (any::<std::net::IpAddr>(), any::<u16>()).prop_map(|(ip, port)| PeerAddr::Ip((ip, port).into())),
            (any::<[u8; 32]>(), any::<u16>()).prop_map(|(key, port)| PeerAddr::Onion(OnionKey(key), port)),
            ("[a-z.:]{1,20}", any::<u16>()).prop_map(|(host, port)| PeerAddr::Name(host, port)),
        ]
    }

    proptest! {
        #[test]
        fn round_trip(addrs in proptest::collection::vec(addr(), 0..4)) {
            prop_assert_eq!(read_list(&write_list(&addrs)), addrs);
        }
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            let _ = read(&text);
            let _ = read_list(&text);
        }
    }
}
