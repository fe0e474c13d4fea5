// The client's TLS: a certificate that does not hold is never accepted, and a private authority can be named.
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "http/client.h"
#include "tests/http/support.h"

namespace tideline::http {
namespace {

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Context = std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>>;
using Connection = std::unique_ptr<SSL, Freed<SSL_free>>;

/// Signed by itself, for the address 127.0.0.1 and no name.
Certificate self_signed(EVP_PKEY* key) {
  Certificate certificate(X509_new());
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_set_pubkey(certificate.get(), key);
  X509_NAME* name = X509_get_subject_name(certificate.get());
  const std::string common = "tideline test";
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(common.data()),
                             static_cast<int>(common.size()), -1, 0);
  X509_set_issuer_name(certificate.get(), name);
  for (const auto& [id, value] :
       {std::pair(NID_subject_alt_name, "IP:127.0.0.1"), {NID_basic_constraints, "CA:TRUE"}}) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, id, value);
    X509_add_ext(certificate.get(), extension, -1);
    X509_EXTENSION_free(extension);
  }
  X509_sign(certificate.get(), key, EVP_sha256());
  return certificate;
}

/// Answers every request on every connection with "200 OK", until destroyed.
class TlsServer {
 public:
  explicit TlsServer(const std::filesystem::path& certificate_file) : context_(SSL_CTX_new(TLS_server_method())) {
    std::signal(SIGPIPE, SIG_IGN);
    const Key key(EVP_EC_gen("P-256"));
    const Certificate certificate = self_signed(key.get());
    SSL_CTX_use_certificate(context_.get(), certificate.get());
    SSL_CTX_use_PrivateKey(context_.get(), key.get());
    std::FILE* file = std::fopen(certificate_file.c_str(), "w");
    PEM_write_X509(file, certificate.get());
    std::fclose(file);

    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listener_, reinterpret_cast<const sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener_, 8), 0);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~TlsServer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  std::uint16_t port() const { return port_; }

 private:
  void serve() {
    for (;;) {
      const int socket = ::accept(listener_, nullptr, nullptr);
      if (socket < 0) return;
      const Connection connection(SSL_new(context_.get()));
      SSL_set_fd(connection.get(), socket);
      char request[4096];
      if (SSL_accept(connection.get()) == 1 && SSL_read(connection.get(), request, sizeof request) > 0) {
        constexpr std::string_view kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
        SSL_write(connection.get(), kAnswer.data(), static_cast<int>(kAnswer.size()));
        SSL_shutdown(connection.get());
      }
      ::close(socket);
    }
  }

  Context context_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

TEST(ClientTls, OnlyACertificateThatHoldsIsTrusted) {
  std::string pattern = (std::filesystem::temp_directory_path() / "tideline-tls-XXXXXX").string();
  const std::filesystem::path folder = mkdtemp(pattern.data());
  {
    TlsServer server(folder / "ca.pem");
    ClientRequest request;
    request.token = "token";
    request.url = "https://127.0.0.1:" + std::to_string(server.port()) + "/";

    const auto unknown = Client().send(request);
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().code, Code::kPermissionDenied);
    EXPECT_NE(unknown.error().hint.find("CA file"), std::string::npos);

    ClientOptions options;
    options.ca_file = folder / "ca.pem";
    const auto trusted = Client(options).send(request);
    ASSERT_TRUE(trusted) << trusted.error().message;
    EXPECT_EQ(trusted->body, "ok");

    // The same authority, but a name the certificate does not have.
    request.url = "https://localhost:" + std::to_string(server.port()) + "/";
    const auto misnamed = Client(options).send(request);
    ASSERT_FALSE(misnamed);
    EXPECT_EQ(misnamed.error().code, Code::kPermissionDenied);

    options.ca_file = folder / "missing.pem";
    EXPECT_FALSE(Client(options).send(request));
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace tideline::http
