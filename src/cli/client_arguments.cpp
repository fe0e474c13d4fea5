#include "cli/client_arguments.h"

#include "cli/manual.h"
#include "cli/paths.h"
#include "replica/queries.h"

namespace tideline::cli {

template <class Options>
CLI::App* ClientArguments::command(CLI::App& app, const char* name, const char* help, Options& options) {
  CLI::App* c = app.add_subcommand(name, help);
  Place& place = options.place;
  add(c, "server", place.server, "The server (default: the workspace's, or that of the last login)")->type_name("URL");
  add(c, "org", place.organization, "Id of the organization")->type_name("ID");
  add(c, "ca-file", place.ca_file, "Certificates (PEM) to trust instead of the system's")->type_name("FILE");
  c->add_option("-C,--directory", place.directory, "The workspace: a directory of a project")
      ->type_name("DIR")
      ->default_str(".");
  c->add_flag("--json", place.json, "Answer as JSON");
  c->callback([this, &options] { taken_ = options; });
  return c;
}

void ClientArguments::add_to(CLI::App& app) {
  const auto name_of_object = [](CLI::App* c, std::string& name, const char* help) {
    c->add_option("name", name, help)->type_name("NAME")->required()->check(not_empty());
  };
  CLI::App* c = command(app, "login", "Keep a server, an organization and a token for this user.", login_);
  c->add_option("--token-file", login_.token_file, "Read the token from this file; - is standard input")
      ->type_name("FILE");
  c->footer("Without --token-file the token comes from TIDELINE_TOKEN, or is asked for. It is kept in " +
            credentials_file().string() + ", for this user alone.");

  c = command(app, "logout", "Forget a token.", logout_);
  c->add_flag("--purge", logout_.purge, "Delete the replica, too");

  c = command(app, "sync", "Bring the workspace's replica to what the server has.", sync_);
  c->add_flag("--watch", sync_.watch, "Go on: every push arrives as it is made");
  add(c, "workspace", sync_.workspace, "Match by this name (owner/repo) instead of git's remotes")->type_name("NAME");

  command(app, "status", "What is here, how new it is, and what is in its way.", status_);

  c = command(app, "connections", "List the organization's connections, or choose what this workspace syncs.",
              connections_);
  c->require_subcommand(0, 1);
  const auto choose = [&](const char* name, const char* help, ConnectionsOptions::Action action) {
    CLI::App* sub = c->add_subcommand(name, help);
    sub->fallthrough();
    sub->callback([this, action] { connections_.action = action; });
    return sub;
  };
  choose("use", "These and no others; remembered.", ConnectionsOptions::Action::kUse)
      ->add_option("name", connections_.names, "Full names, names or ids; git:owner/repo where types tell them apart")
      ->type_name("NAME")
      ->required();
  choose("auto", "Those that match the workspace (as at first).", ConnectionsOptions::Action::kAuto);
  choose("all", "All of the organization, also future ones.", ConnectionsOptions::Action::kAll);

  c = command(app, "search", "Find objects, columns and documentation.", search_);
  c->add_option("text", search_.text, "Words; each has to occur, at the start of a word or inside a name")
      ->type_name("TEXT")
      ->required()
      ->check(not_empty());
  c->add_option("--type", search_.types,
                "Only objects of this type (model, source, test …); with --in columns, docs: those of such objects")
      ->type_name("TYPE")
      ->delimiter(',')
      ->allow_extra_args(false);
  c->add_option("--in", search_.only, "Only in objects, columns or docs")
      ->type_name("WHERE")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(one_of({"objects", "columns", "docs"}));
  c->add_option("--limit", search_.limit, "At most so many")
      ->type_name("N")
      ->check(CLI::Range(std::size_t{1}, replica::kMaxSearch))
      ->capture_default_str();

  c->callback([this] {
    if (!search_.types.empty() && search_.only.empty()) search_.only = {"objects"};
    taken_ = search_;
  });

  c = command(app, "show", "An object with its columns and neighbours, or a column.", show_);
  name_of_object(c, show_.name, "Name, schema.name, or dbt's unique_id; .column behind it");

  c = command(app, "lineage", "Where an object or a column comes from, and where it goes.", lineage_);
  CLI::Option* name = c->add_option("name", lineage_.name, "Object, or object.column")->type_name("NAME");
  CLI::Option* file =
      c->add_option("--file", lineage_.file,
                    "Of the columns of this file instead: a dbt model or plain SQL; - is standard input")
          ->type_name("FILE")
          ->excludes(name);
  c->add_option("--dialect", lineage_.dialect, "Of the file (default: that of its connection)")
      ->type_name("NAME")
      ->needs(file);
  c->add_flag("--up", lineage_.up, "Upstream only")->excludes(file);
  c->add_flag("--down", lineage_.down, "Downstream only")->excludes(file);
  c->add_option("--depth", lineage_.depth, "So many steps (0: all the way; default: 0, of a file 1)")
      ->type_name("N")
      ->check(CLI::Range(0, 1'000'000));
  c->add_flag("--gaps", lineage_.gaps, "What is not known of all models instead: why, where, and what to do")
      ->excludes(name)
      ->excludes(file);
  c->add_flag("--influence", lineage_.influence, "Also what only decides on rows (filters, joins …)");
  c->add_option("--limit", lineage_.limit, "At most so many nodes each way")
      ->type_name("N")
      ->check(CLI::Range(std::size_t{1}, replica::kMaxNodes))
      ->capture_default_str();

  c->callback([this] {
    if (lineage_.name.empty() && lineage_.file.empty() && !lineage_.gaps)
      throw CLI::RequiredError("NAME, --file or --gaps");
    taken_ = lineage_;
  });

  c = command(app, "impact", "What a change of an object or a column reaches: down to tests and exposures.", impact_);
  name_of_object(c, impact_.name, "Object, or object.column");
  c->add_option("--limit", impact_.limit, "At most so many of each")
      ->type_name("N")
      ->check(CLI::Range(std::size_t{1}, replica::kMaxNodes))
      ->capture_default_str();

  c = command(app, "docs", "The documentation of an object.", docs_);
  name_of_object(c, docs_.name, "Object");

  c = command(app, "verify", "Check every row of the replica against its hash.", verify_);
  c->add_flag("--repair", verify_.repair, "Fetch again what is damaged");

  c = app.add_subcommand("completions", "Print completions for a shell.");
  c->add_option("shell", shell_, "bash, zsh or fish")
      ->type_name("SHELL")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  c->callback([this, &app] { taken_ = TextOptions{completions(app, shell_)}; });
  c->footer(
      "bash: source <(tideline completions bash)\nzsh: tideline completions zsh > ~/.zfunc/_tideline\n"
      "fish: tideline completions fish > ~/.config/fish/completions/tideline.fish");

  c = app.add_subcommand("manual", "Print the manual page (man format).");
  c->callback([this, &app] { taken_ = TextOptions{manual_page(app)}; });
}

}  // namespace tideline::cli
