#include "cli/admin_arguments.h"

#include <algorithm>
#include <charconv>

#include "cli/client_arguments.h"
#include "cli/paths.h"

namespace tideline::cli {
namespace {

/// Not from a variable.
bool on_command_line(const CLI::App& command, const CLI::Option* option) {
  const auto& order = command.parse_order();
  return std::find(order.begin(), order.end(), option) != order.end();
}

// Ten years: what is meant to hold longer is an API token without an end, which can be revoked by itself.
constexpr std::int64_t kMaxTtlSeconds = 10LL * 366 * 24 * 60 * 60;

/// Empty: not said. `never` is taken for a token that can be revoked.
Result<void> read_ttl(const std::string& text, AdminOptions& out) {
  if (text.empty()) return {};
  const bool may_be_endless = out.action == AdminOptions::Action::kApiTokenCreate;
  if (may_be_endless && text == "never") {
    out.without_end = true;
    return {};
  }
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size() || seconds < 1 || seconds > kMaxTtlSeconds)
    return fail(Code::kInvalidInput, "--ttl " + text + " is no time a token can hold",
                "1 to " + std::to_string(kMaxTtlSeconds) + " seconds" +
                    (may_be_endless ? ", or never: until it is revoked" : ""));
  out.ttl_seconds = seconds;
  return {};
}

void organization(CLI::App* c, AdminOptions& options) {
  add(c, "org", options.organization, "Id of the organization")->type_name("ID")->required();
}
void email(CLI::App* c, AdminOptions& options) {
  c->add_option("--email", options.email, "E-mail address, or id, of the user")->required();
}
void role(CLI::App* c, AdminOptions& options) {
  c->add_option("--role", options.role, "admin or member")->required()->check(one_of({"admin", "member"}));
}

}  // namespace

AdminArguments::Command& AdminArguments::command(CLI::App* parent, const std::string& name, const std::string& help,
                                                 AdminOptions::Action action) {
  Command& command = commands_.emplace_back();
  AdminOptions& options = command.options;
  options.action = action;
  options.database.data_dir = default_data_directory();
  CLI::App* c = command.app = parent->add_subcommand(name, help);
  command.data_dir = add(c, "data-dir", options.database.data_dir, "The directory of a server with a private database")
                         ->type_name("DIR")
                         ->default_str(default_data_directory().string());
  command.url = add(c, "database-url", options.database.url, "An existing PostgreSQL, as the login tideline_admin")
                    ->type_name("URL");
  command.admin_url_option =
      add(c, "admin-database-url", command.admin_url, "The same; wins over --database-url")->type_name("URL");
  c->add_flag("--json", options.json, "Answer as JSON");
  return command;
}

void AdminArguments::add_to(CLI::App& app) {
  using Action = AdminOptions::Action;
  command_ = app.add_subcommand("admin", "Organizations, users and tokens; while the server runs, or not.");
  command_->require_subcommand(1);
  command(command_, "migrate", "Bring a database to this release's schema.", Action::kMigrate);
  add_backups();
  CLI::App* org = command_->add_subcommand("org", "Organizations.");
  org->require_subcommand(1);
  Command& create = command(org, "create", "Make an organization.", Action::kOrganizationCreate);
  create.app->add_option("--name", create.options.name, "Its name")->required();
  create.app->add_option("--id", create.options.organization, "Its id, instead of a random one")->type_name("ID");
  command(org, "list", "List the organizations.", Action::kOrganizationList);
  add_users();
  add_tokens();
}

void AdminArguments::add_backups() {
  Command& backup = command(command_, "backup", "Copy the database into a file; while the server runs, or not.",
                            AdminOptions::Action::kBackup);
  backup.app->add_option("--to", backup.options.file, "The file; replaced when it is there")
      ->type_name("FILE")
      ->required();

  Command& restore = command(command_, "restore", "Put a backup in the database's place; replicas sync anew.",
                             AdminOptions::Action::kRestore);
  CLI::Option* from =
      restore.app->add_option("--from", restore.options.file, "The backup")->type_name("FILE")->check(existing_file());
  restore.app->add_flag("--replace", restore.options.replace, "Even if the database holds organizations");
  CLI::Option* epoch = restore.app->add_flag("--epoch-only", restore.options.epoch_only,
                                             "The database was restored by other means: only tell clients so");
  from->excludes(epoch);
}

void AdminArguments::add_users() {
  using Action = AdminOptions::Action;
  CLI::App* user = command_->add_subcommand("user", "Users and their roles.");
  user->require_subcommand(1);
  Command& add = command(user, "add", "Make somebody a member, or change the role.", Action::kUserAdd);
  organization(add.app, add.options), email(add.app, add.options), role(add.app, add.options);
  Command& change = command(user, "role", "Change a member's role.", Action::kUserRole);
  organization(change.app, change.options), email(change.app, change.options), role(change.app, change.options);
  Command& remove = command(user, "remove", "End a membership; holds within a second.", Action::kUserRemove);
  organization(remove.app, remove.options), email(remove.app, remove.options);
  Command& list = command(user, "list", "List the members.", Action::kUserList);
  organization(list.app, list.options);
  Command& link = command(user, "link", "Bind the identity of an outside issuer to a user.", Action::kUserLink);
  email(link.app, link.options);
  link.app->add_option("--issuer", link.options.issuer, "`iss` of the tokens")->required();
  link.app->add_option("--subject", link.options.subject, "`sub` of the tokens")->required();
}

void AdminArguments::add_tokens() {
  using Action = AdminOptions::Action;
  Command& sign = command(command_, "token", "Sign a token for a user.", Action::kToken);
  sign.app->add_option("--user", sign.options.email, "E-mail address, or id, of the user")->required();
  sign.app->add_option("--ttl", sign.ttl, "Seconds it holds (default: 86400, a day)")->type_name("S");

  CLI::App* token = command_->add_subcommand("api-token", "Tokens for CI.");
  token->require_subcommand(1);
  Command& create = command(token, "create", "Make a token; it is shown once.", Action::kApiTokenCreate);
  organization(create.app, create.options);
  create.app->add_option("--name", create.options.name, "What it is for")->required();
  create.app
      ->add_option("--scope", create.options.scopes,
                   "read, push or documentation; several: repeat or separate by commas")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->required()
      ->check(one_of({"read", "push", "documentation"}));
  create.app
      ->add_option("--ttl", create.ttl, "Seconds it holds, or never: until it is revoked (default: 31536000, a year)")
      ->type_name("S");
  Command& list = command(token, "list", "List them, without their secrets.", Action::kApiTokenList);
  organization(list.app, list.options);
  Command& revoke = command(token, "revoke", "Revoke one; holds within a second.", Action::kApiTokenRevoke);
  organization(revoke.app, revoke.options);
  revoke.app->add_option("--id", revoke.options.token_id, "Its id")->type_name("ID")->required();
}

/// A flag wins over every variable: a directory on the command line also over a URL in the environment.
DatabaseOptions AdminArguments::database_of(const Command& command) {
  DatabaseOptions database = command.options.database;
  const bool directory = on_command_line(*command.app, command.data_dir);
  const bool url = on_command_line(*command.app, command.url);
  const bool admin_url = on_command_line(*command.app, command.admin_url_option);
  if (!command.admin_url.empty() && (admin_url || !url)) database.url = command.admin_url;
  if (directory && !url && !admin_url) database.url.clear();
  return database;
}

Result<AdminOptions> AdminArguments::taken() const {
  const auto at = std::find_if(commands_.begin(), commands_.end(), [](const auto& each) { return each.app->parsed(); });
  if (at == commands_.end()) return fail(Code::kInternal, "no such command");
  AdminOptions options = at->options;
  options.database = database_of(*at);
  TRY_VOID(read_ttl(at->ttl, options));
  if (options.action == AdminOptions::Action::kRestore && options.file.empty() && !options.epoch_only)
    return fail(Code::kInvalidInput, "restore needs --from FILE, or --epoch-only");
  return options;
}

}  // namespace tideline::cli
