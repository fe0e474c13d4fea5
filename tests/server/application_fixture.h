#pragma once
// Whole servers over a real database: organizations and users made as an operator makes them, requests over sockets.

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

#include "http/client.h"
#include "server/api_token.h"
#include "server/application.h"
#include "server/jwt_signer.h"
#include "server/own_key.h"
#include "store/admin.h"
#include "store/migrate.h"
#include "tests/support/cluster_fixture.h"

namespace tideline::server {

/// Asks `is_so` until it is, at most so long; how long it took.
inline std::chrono::milliseconds until(const std::function<bool()>& is_so,
                                       std::chrono::milliseconds patience = std::chrono::seconds(20)) {
  const auto begun = std::chrono::steady_clock::now();
  for (;;) {
    const auto spent = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begun);
    if (is_so() || spent > patience) return spent;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

/// A request as bytes, for what a well-behaved client does not send.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port) { socket_.connect({boost::asio::ip::make_address("127.0.0.1"), port}); }
  void send(std::string_view bytes) { boost::asio::write(socket_, boost::asio::buffer(bytes)); }
  /// Up to the end of the answer's head.
  std::string head() {
    std::string out;
    boost::asio::read_until(socket_, boost::asio::dynamic_buffer(out), "\r\n\r\n");
    return out;
  }
  void close() { socket_.close(); }

 private:
  boost::asio::io_context io_;
  boost::asio::ip::tcp::socket socket_{io_};
};

/// What an operator does on a database that `connection` is a superuser of.
class Operator {
 public:
  explicit Operator(pg::Cluster& cluster, std::string database = {})
      : connection_(test::must(
            run(pg::Connection::connect(io_.get_executor(), cluster.conninfo("postgres", database), soon())))) {
    test::must(run(store::migrate(*connection_, soon())));
  }

  OrganizationId organization(std::string name) {
    return test::must(run(store::admin::create_organization(*connection_, std::move(name), std::nullopt, soon()))).id;
  }
  /// A token of the user, made a member.
  std::string user(OrganizationId organization, std::string email, std::string role) {
    test::must(run(store::admin::add_user(*connection_, organization, email, std::move(role), soon())));
    auto subject = test::must(run(store::admin::token_subject(*connection_, email, soon())));
    const auto signer = test::must(TokenSigner::make(own_key(subject.signing_key)));
    return test::must(signer.sign({subject.user.to_string(), {}, std::chrono::hours(1)}, Timestamp::now())).text;
  }
  void remove(OrganizationId organization, std::string email) {
    test::must(run(store::admin::remove_user(*connection_, organization, std::move(email), soon())));
  }
  void set_role(OrganizationId organization, std::string email, std::string role) {
    test::must(run(store::admin::set_role(*connection_, organization, std::move(email), std::move(role), soon())));
  }
  struct ApiToken {
    Uuid id;
    std::string text;
  };
  ApiToken api_token(OrganizationId organization, std::vector<std::string> scopes,
                     std::optional<Timestamp> expires_at = std::nullopt) {
    const auto made = make_api_token(organization);
    const auto stored =
        test::must(run(store::admin::create_api_token(*connection_, organization, "ci " + Uuid::random().to_string(),
                                                      std::move(scopes), expires_at, made.digest, soon())));
    return {stored.id, made.text};
  }
  void revoke(OrganizationId organization, const Uuid& token) {
    test::must(run(store::admin::revoke_api_token(*connection_, organization, token, soon())));
  }
  std::vector<store::admin::ApiToken> api_tokens(OrganizationId organization) {
    return test::must(run(store::admin::list_api_tokens(*connection_, organization, soon())));
  }
  void sql(std::string text) { test::must(run(connection_->script(std::move(text), soon()))); }

 private:
  static Deadline soon() { return within(std::chrono::seconds(30)); }
  template <class T>
  T run(boost::asio::awaitable<T> work) {
    return pg::run(io_, std::move(work));
  }
  boost::asio::io_context io_;
  std::unique_ptr<pg::Connection> connection_;
};

/// A server in a directory of its own.
class RunningServer {
 public:
  explicit RunningServer(std::string database_url, const std::function<void(Options&)>& change = {}) {
    Options options;
    options.data_dir = directory_ / "data";
    options.database_url = std::move(database_url);
    options.listen_port = 0;
    if (change) change(options);
    application_ = test::must(Application::start(std::move(options)));
  }

  Application& application() { return *application_; }
  std::uint16_t port() const { return application_->port(); }
  std::string url(std::string_view path) const {
    return "http://127.0.0.1:" + std::to_string(port()) + std::string(path);
  }
  std::size_t uploads_lying() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(directory_ / "data/tmp"),
                                                  std::filesystem::directory_iterator()));
  }

  http::ClientResponse call(std::string method, std::string_view path, std::string token = {}, std::string body = {},
                            std::string content_type = {}) {
    http::Client client;
    http::ClientRequest request;
    request.method = std::move(method);
    request.url = url(path);
    request.token = std::move(token);
    request.body = std::move(body);
    request.content_type = std::move(content_type);
    if (request.content_type.empty() && !request.body.empty()) request.content_type = "application/json";
    request.timeout = std::chrono::seconds(60);
    return test::must(client.send(request));
  }
  unsigned status(std::string method, std::string_view path, std::string token) {
    return call(std::move(method), path, std::move(token)).status;
  }

 private:
  test::TempDirectory directory_;
  std::unique_ptr<Application> application_;
};

inline std::string base(OrganizationId organization) {
  return "/api/metadata-sync/organizations/" + organization.to_string();
}

}  // namespace tideline::server
