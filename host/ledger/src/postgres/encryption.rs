//! Encryption: which servers are known to be the ones that URLs name.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::Socket;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres_rustls::MakeRustlsConnect;

/// What goes over a connection that is encrypted.
pub(super) type Stream = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;

/// Returns what encrypts connections to servers whose certificates are under one that this machine trusts, or that the file is one of which
/// `SSL_CERT_FILE` names; nothing if there is no such certificate.
pub(super) fn trusted() -> Option<MakeRustlsConnect> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    (!roots.is_empty()).then(|| under(roots))
}

/// Returns what connections have that are not encrypted.
pub(super) fn none() -> MakeRustlsConnect {
    under(RootCertStore::empty())
}

fn under(roots: RootCertStore) -> MakeRustlsConnect {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().expect("ring has TLS 1.2 and 1.3");
    MakeRustlsConnect::new(config.with_root_certificates(roots).with_no_client_auth())
}
