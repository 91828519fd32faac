#include "adapters/grpc/tls.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include <system_error>

namespace mimamori::adapters::grpc {

using base::FailureKind;

namespace {

base::Time system_now() {  // TLS stays on real time
    return std::chrono::time_point_cast<base::Micros>(std::chrono::system_clock::now());
}

int deny_list_index() {
    static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
    return index;
}

// After OpenSSL has found the chain good: is this certificate one of ours that may still connect?
int check_peer(int good, X509_STORE_CTX* store) {
    if (good != 1 || X509_STORE_CTX_get_error_depth(store) != 0) {
        return good;
    }
    const auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
    const auto* deny_list = static_cast<const DenyList*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), deny_list_index()));
    const auto certificate = read_certificate(X509_STORE_CTX_get_current_cert(store));
    if (!certificate || !certificate->p256) {
        X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
    } else if (deny_list->denies(certificate->fingerprint)) {
        X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REVOKED);
    } else {
        return 1;
    }
    return 0;
}

constexpr int max_key_updates = 32;

int key_updates_index() {
    static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
    return index;
}

void count_key_updates(int sent, int, int type, const void* bytes, std::size_t size, SSL* ssl, void*) {
    if (sent == 0 && type == SSL3_RT_HANDSHAKE && size > 0 &&
        *static_cast<const unsigned char*>(bytes) == SSL3_MT_KEY_UPDATE) {
        auto* count = static_cast<int*>(SSL_get_ex_data(ssl, key_updates_index()));
        if (count != nullptr && ++*count > max_key_updates) {
            SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        }
    }
}

int choose_h2(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in, unsigned int in_size,
              void*) {
    static constexpr unsigned char h2[] = {2, 'h', '2'};
    auto* chosen = const_cast<unsigned char*>(*out);
    const int found = SSL_select_next_proto(&chosen, out_size, h2, sizeof h2, in, in_size);
    *out = chosen;
    return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

}  // namespace

std::string objection_to(const PeerCertificate& certificate, const DenyList& deny_list) {
    const auto now = system_now();
    if (!certificate.p256) {
        return "the key of the client certificate is not on P-256";
    }
    if (now < certificate.not_before || now > certificate.not_after) {
        return "the client certificate is not valid at this time";
    }
    if (deny_list.denies(certificate.fingerprint)) {
        return "the client certificate has been revoked";
    }
    return {};
}

void bound_key_updates(SSL* ssl, int* count) {
    SSL_set_ex_data(ssl, key_updates_index(), count);
}

std::string tls_errors() {
    std::string out;
    while (const auto error = ERR_get_error()) {
        const char* reason = ERR_reason_error_string(error);
        out += out.empty() ? "" : "; ";
        out += reason == nullptr ? "unknown error" : reason;
    }
    return out;
}

ServerTls::ServerTls(std::string certificate_file, std::string key_file, std::string ca_file, const DenyList& deny_list)
    : certificate_file_{std::move(certificate_file)},
      key_file_{std::move(key_file)},
      ca_file_{std::move(ca_file)},
      deny_list_{deny_list} {}

base::Expected<void> ServerTls::load() {
    const auto seen = times();
    if (auto good = check_server_files(certificate_file_, key_file_, ca_file_, system_now()); !good) {
        return good;
    }
    SslContext context{SSL_CTX_new(TLS_server_method()), &SSL_CTX_free};
    auto* raw = context.get();
    const bool done = raw != nullptr && SSL_CTX_set_min_proto_version(raw, TLS1_3_VERSION) == 1 &&
                      SSL_CTX_set1_groups_list(raw, "P-256:X25519") == 1 &&
                      SSL_CTX_use_certificate_chain_file(raw, certificate_file_.c_str()) == 1 &&
                      SSL_CTX_use_PrivateKey_file(raw, key_file_.c_str(), SSL_FILETYPE_PEM) == 1 &&
                      SSL_CTX_check_private_key(raw) == 1 && SSL_CTX_load_verify_file(raw, ca_file_.c_str()) == 1 &&
                      SSL_CTX_set_num_tickets(raw, 0) == 1 &&
                      SSL_CTX_set_ex_data(raw, deny_list_index(), const_cast<DenyList*>(&deny_list_)) == 1;
    if (!done) {
        return base::failure(FailureKind::refused,
                             "OpenSSL does not take the gateway's certificate, key or CA: " + tls_errors());
    }
    SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(raw, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(raw,
                     SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(raw, 1);  // one system call for what has arrived
    SSL_CTX_set_verify(raw, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, &check_peer);
    SSL_CTX_set_verify_depth(raw, 4);
    SSL_CTX_set_max_cert_list(raw, 16'384);
    SSL_CTX_set_alpn_select_cb(raw, &choose_h2, nullptr);
    SSL_CTX_set_msg_callback(raw, &count_key_updates);
    const std::lock_guard lock{mutex_};
    context_ = std::move(context);
    loaded_ = seen;
    return {};
}

base::Expected<void> ServerTls::reload() {
    return times() == loaded_ ? base::Expected<void>{} : load();
}

SslContext ServerTls::context() const {
    const std::lock_guard lock{mutex_};
    return context_;
}

ServerTls::Times ServerTls::times() const {
    Times out{};
    std::size_t i = 0;
    for (const auto* file : {&certificate_file_, &key_file_, &ca_file_}) {
        std::error_code none;
        out[i++] = std::filesystem::last_write_time(*file, none);
    }
    return out;
}

}  // namespace mimamori::adapters::grpc
