// `tideline admin`: one connection as tideline_admin, one transaction, one answer. With --json the answer is one JSON
// document on standard output; otherwise what a person or a $(…) wants there, notes on standard error.

#include <csignal>
#include <cstdio>
#include <memory>

#include <boost/asio/io_context.hpp>

#include "base/json.h"
#include "base/time.h"
#include "cli/admin_backup.h"
#include "cli/options.h"
#include "cli/private_database.h"
#include "cli/terminal.h"
#include "pg/run.h"
#include "pg/sqlstate.h"
#include "server/api_token.h"
#include "server/jwt_signer.h"
#include "server/own_key.h"
#include "store/admin.h"
#include "store/migrate.h"

namespace tideline::cli {
namespace {

// Every question here is a few rows; a minute covers a database that is busy, and nobody waits for ever.
constexpr std::chrono::seconds kPatience{60};
constexpr std::chrono::seconds kMigrationPatience{600};
constexpr std::int64_t kDefaultTokenSeconds = 24 * 60 * 60;
// An API token without an end is one that nobody thinks of again: it has to be asked for.
constexpr std::int64_t kDefaultApiTokenSeconds = 365LL * 24 * 60 * 60;

class Session {
 public:
  /// `as_owner`: a private database's superuser, who reads and replaces all of it.
  static Result<Session> open(const DatabaseOptions& database, bool create, bool as_owner = false) {
    Session session;
    std::string conninfo = database.url;
    if (conninfo.empty()) {
      TRY(session.cluster_, attach_private_database(database.data_dir, create));
      conninfo = session.cluster_->conninfo(as_owner ? "postgres" : "tideline_admin");
      session.data_ = database.data_dir / "postgres";
    }
    session.conninfo_ = conninfo;
    TRY(session.connection_,
        pg::run(*session.io_, pg::Connection::connect(session.io_->get_executor(), conninfo, within(kPatience))));
    return session;
  }

  template <class T>
  T wait(pg::awaitable<T> work) {
    return pg::run(*io_, std::move(work));
  }
  pg::Connection& connection() { return *connection_; }
  bool is_private() const { return cluster_ != nullptr; }
  BackupContext for_backup() { return {conninfo_, data_, *connection_, *io_}; }

 private:
  // In this order: the connection goes before the loop it runs on and the cluster it is to.
  std::unique_ptr<pg::Cluster> cluster_;
  std::unique_ptr<boost::asio::io_context> io_ = std::make_unique<boost::asio::io_context>();
  std::unique_ptr<pg::Connection> connection_;
  std::string conninfo_;
  std::filesystem::path data_;  // of a private database
};

template <class Id>
Result<Id> parse_id(const std::string& text, const char* flag) {
  if (auto id = Id::parse(text)) return *id;
  return fail(Code::kInvalidInput, std::string(flag) + " " + text + " is no id",
              "an id looks like 0b3f9c1e-7d42-4c55-9e0a-5a4f6c1d2e3f; tideline admin … list shows them");
}

std::string text_of(const std::optional<Timestamp>& time) { return time ? time->to_string() : "-"; }

std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ",") + part;
  return text;
}

void optional_time(JsonWriter& json, const char* key, const std::optional<Timestamp>& time) {
  json.key(key);
  if (time)
    json.string(time->to_string());
  else
    json.null();
}

/// What a command answers, both ways.
struct Answer {
  std::string json;
  std::vector<std::vector<std::string>> table;  // or
  std::string line;
  std::string note;     // to standard error, for a person
  std::string if_lost;  // what to do where the answer could not be written
};

Result<Answer> migrate(Session& session) {
  Answer answer;
  // A private cluster was brought up to date while it was opened.
  store::MigrationReport report;
  if (!session.is_private()) {
    TRY(report, session.wait(store::migrate(session.connection(), within(kMigrationPatience))));
  }
  JsonWriter json(answer.json);
  json.begin_object().key("applied").begin_array();
  for (const std::string& name : report.applied) json.string(name);
  json.end_array().end_object();
  answer.line = report.applied.empty() ? "the schema is this release's" : "applied " + joined(report.applied);
  return answer;
}

Result<Answer> create_organization(Session& session, const AdminOptions& options) {
  std::optional<OrganizationId> id;
  if (!options.organization.empty()) {
    TRY(id, parse_id<OrganizationId>(options.organization, "--id"));
  }
  TRY(const auto made,
      session.wait(store::admin::create_organization(session.connection(), options.name, id, within(kPatience))));
  Answer answer;
  JsonWriter(answer.json)
      .begin_object()
      .key("id")
      .string(made.id.to_string())
      .key("name")
      .string(made.name)
      .end_object();
  answer.line = made.id.to_string();
  answer.note = "created organization " + made.name;
  return answer;
}

Result<Answer> list_organizations(Session& session) {
  TRY(const auto organizations,
      session.wait(store::admin::list_organizations(session.connection(), within(kPatience))));
  Answer answer;
  JsonWriter json(answer.json);
  json.begin_object().key("organizations").begin_array();
  answer.table.push_back({"id", "name", "users", "connections", "version", "created"});
  for (const auto& one : organizations) {
    json.begin_object().key("id").string(one.id.to_string()).key("name").string(one.name);
    json.key("users").number(one.users).key("connections").number(one.connections);
    json.key("version").number(one.version.value).key("created_at").string(one.created_at.to_string()).end_object();
    answer.table.push_back({one.id.to_string(), one.name, std::to_string(one.users), std::to_string(one.connections),
                            std::to_string(one.version.value), one.created_at.to_string()});
  }
  json.end_array().end_object();
  return answer;
}

Answer user_answer(const store::admin::User& user, const std::string& what) {
  Answer answer;
  JsonWriter(answer.json)
      .begin_object()
      .key("id")
      .string(user.id.to_string())
      .key("email")
      .optional_string(user.email)
      .key("role")
      .string(user.role)
      .end_object();
  answer.line = user.id.to_string();
  answer.note = user.email.value_or(user.id.to_string()) + " " + what + " " + user.role;
  return answer;
}

Result<Answer> list_users(Session& session, OrganizationId organization) {
  TRY(const auto users, session.wait(store::admin::list_users(session.connection(), organization, within(kPatience))));
  Answer answer;
  JsonWriter json(answer.json);
  json.begin_object().key("users").begin_array();
  answer.table.push_back({"id", "email", "role", "created"});
  for (const auto& one : users) {
    json.begin_object().key("id").string(one.id.to_string()).key("email").optional_string(one.email);
    json.key("role").string(one.role).key("created_at").string(one.created_at.to_string()).end_object();
    answer.table.push_back({one.id.to_string(), one.email.value_or("-"), one.role, one.created_at.to_string()});
  }
  json.end_array().end_object();
  return answer;
}

Result<Answer> token(Session& session, const AdminOptions& options) {
  TRY(auto subject, session.wait(store::admin::token_subject(session.connection(), options.email, within(kPatience))));
  TRY(const auto signer, server::TokenSigner::make(server::own_key(std::move(subject.signing_key))));
  const server::TokenGrant grant{
      subject.user.to_string(), {}, std::chrono::seconds(options.ttl_seconds.value_or(kDefaultTokenSeconds))};
  TRY(const auto made, signer.sign(grant, Timestamp::now()));
  Answer answer;
  JsonWriter json(answer.json);
  json.begin_object().key("token").string(made.text).key("user_id").string(subject.user.to_string());
  json.key("expires_at").string(made.expires_at.to_string()).end_object();
  answer.line = made.text;
  answer.note = "holds until " + made.expires_at.to_string();
  return answer;
}

Result<Answer> create_api_token(Session& session, const AdminOptions& options, OrganizationId organization) {
  std::optional<Timestamp> expires;
  if (!options.without_end) {
    const std::int64_t seconds = options.ttl_seconds.value_or(kDefaultApiTokenSeconds);
    expires = Timestamp{Timestamp::now().micros + seconds * 1'000'000};
  }
  const server::NewApiToken secret = server::make_api_token(organization);
  TRY(const auto made,
      session.wait(store::admin::create_api_token(session.connection(), organization, options.name, options.scopes,
                                                  expires, secret.digest, within(kPatience))));
  Answer answer;
  JsonWriter json(answer.json);
  json.begin_object().key("token").string(secret.text).key("id").string(made.id.to_string());
  optional_time(json, "expires_at", expires);
  json.end_object();
  answer.line = secret.text;
  answer.note = "API token " + made.id.to_string() + "; it is not shown again, and holds until " +
                (expires ? expires->to_string() : "it is revoked");
  answer.if_lost = "API token " + made.id.to_string() + " was made, and nobody has seen it: tideline admin api-token " +
                   "revoke --org " + organization.to_string() + " --id " + made.id.to_string();
  return answer;
}

Result<Answer> list_api_tokens(Session& session, OrganizationId organization) {
  TRY(const auto tokens,
      session.wait(store::admin::list_api_tokens(session.connection(), organization, within(kPatience))));
  Answer answer;
  JsonWriter json(answer.json);
  json.begin_object().key("api_tokens").begin_array();
  answer.table.push_back({"id", "name", "scopes", "created", "expires", "revoked", "last used"});
  for (const auto& one : tokens) {
    json.begin_object().key("id").string(one.id.to_string()).key("name").string(one.name).key("scopes").begin_array();
    for (const std::string& scope : one.scopes) json.string(scope);
    json.end_array().key("created_at").string(one.created_at.to_string());
    optional_time(json, "expires_at", one.expires_at);
    optional_time(json, "revoked_at", one.revoked_at);
    optional_time(json, "last_used_at", one.last_used_at);
    json.end_object();
    answer.table.push_back({one.id.to_string(), one.name, joined(one.scopes), one.created_at.to_string(),
                            text_of(one.expires_at), text_of(one.revoked_at), text_of(one.last_used_at)});
  }
  json.end_array().end_object();
  return answer;
}

Answer done(const std::string& id, std::string note) {
  Answer answer;
  JsonWriter(answer.json).begin_object().key("id").string(id).end_object();
  answer.note = std::move(note);
  return answer;
}

Result<Answer> answer_to(const AdminOptions& options) {
  using Action = AdminOptions::Action;
  if (options.action == Action::kBackup || options.action == Action::kRestore) {
    TRY(Session session, Session::open(options.database, options.action == Action::kRestore, true));
    TRY(BackupAnswer done, options.action == Action::kBackup ? back_up(options, session.for_backup())
                                                             : restore(options, session.for_backup()));
    Answer answer;
    answer.json = std::move(done.json);
    answer.note = std::move(done.note);
    return answer;
  }
  TRY(Session session, Session::open(options.database, options.action == Action::kMigrate));
  pg::Connection& connection = session.connection();
  const Deadline deadline = within(kPatience);

  // Without an organization:
  switch (options.action) {
    case Action::kMigrate:
      return migrate(session);
    case Action::kOrganizationCreate:
      return create_organization(session, options);
    case Action::kOrganizationList:
      return list_organizations(session);
    case Action::kToken:
      return token(session, options);
    case Action::kUserLink: {
      TRY_VOID(session.wait(
          store::admin::add_identity(connection, options.email, options.issuer, options.subject, deadline)));
      return done(options.email, options.email + " is now also " + options.subject + " of " + options.issuer);
    }
    default:
      break;
  }

  TRY(const OrganizationId organization, parse_id<OrganizationId>(options.organization, "--org"));
  switch (options.action) {
    case Action::kUserAdd: {
      TRY(const auto user,
          session.wait(store::admin::add_user(connection, organization, options.email, options.role, deadline)));
      return user_answer(user, "is now");
    }
    case Action::kUserRole: {
      TRY(const auto user,
          session.wait(store::admin::set_role(connection, organization, options.email, options.role, deadline)));
      return user_answer(user, "is now");
    }
    case Action::kUserRemove: {
      TRY(const UserId user,
          session.wait(store::admin::remove_user(connection, organization, options.email, deadline)));
      return done(user.to_string(), options.email + " is no member any more");
    }
    case Action::kUserList:
      return list_users(session, organization);
    case Action::kApiTokenCreate:
      return create_api_token(session, options, organization);
    case Action::kApiTokenList:
      return list_api_tokens(session, organization);
    case Action::kApiTokenRevoke: {
      const auto id = Uuid::parse(options.token_id);
      if (!id) return fail(Code::kInvalidInput, "--id " + options.token_id + " is no id", "api-token list shows them");
      TRY_VOID(session.wait(store::admin::revoke_api_token(connection, organization, *id, deadline)));
      return done(options.token_id, "API token " + options.token_id + " is revoked");
    }
    default:
      return fail(Code::kInternal, "no such command");
  }
}

/// A database that nobody migrated, in the words of who asks it.
Error in_other_words(Error error) {
  const std::string_view state = pg::sqlstate_of(error);
  constexpr std::string_view kNoTable = "42P01", kNoSchema = "3F000", kNoFunction = "42883";
  if (state != kNoTable && state != kNoSchema && state != kNoFunction) return error;
  error.message = "the database does not have this release's schema";
  error.hint = "tideline admin migrate brings it there, as somebody who may create roles and schemas";
  return error;
}

}  // namespace

int admin(const AdminOptions& options) {
  // A reader that is gone is an error of its write: what was made must be told.
  std::signal(SIGPIPE, SIG_IGN);
  const auto answer = answer_to(options);
  if (!answer) {
    report(in_other_words(answer.error()));
    return answer.error().code == Code::kInvalidInput ? kUsage : kFailed;
  }
  if (options.json) {
    print_line(answer->json);
  } else {
    if (!answer->table.empty()) print_table(answer->table);
    if (!answer->line.empty()) print_line(answer->line);
  }
  if (auto written = output_written(); !written) {
    written.error().hint = answer->if_lost;
    return report(written.error());
  }
  if (!options.json && !answer->note.empty()) std::fprintf(stderr, "%s\n", answer->note.c_str());
  return kOk;
}

}  // namespace tideline::cli
