#include "cli/manual.h"

#include <algorithm>
#include <vector>

namespace tideline::cli {
namespace {

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

std::vector<const CLI::Option*> options_of(const CLI::App& app) {
  return app.get_options([](const CLI::Option*) { return true; });
}

/// For roff: backslashes, hyphens that are minus signs, and a dot that begins a line.
std::string roff(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (out.empty() && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\' || c == '-') out += '\\';
    out += c;
  }
  return out;
}

std::string usage(const CLI::App& command, const std::string& path) {
  std::string line = ".B " + roff(path) + "\n";
  bool options = false;
  for (const CLI::Option* option : options_of(command)) options = options || !option->get_positional();
  if (options) line += "[\\fIoptions\\fR]\n";
  for (const CLI::Option* option : options_of(command)) {
    if (!option->get_positional()) continue;
    line += "\\fI" + roff(option->get_type_name()) + "\\fR" + (option->get_expected_max() > 1 ? "...\n" : "\n");
  }
  return line;
}

void section(const CLI::App& command, const std::string& path, std::string& out) {
  const auto subcommands = commands_of(command);
  const bool runs_itself = subcommands.empty() || command.get_require_subcommand_min() == 0;
  if (runs_itself) {
    out += ".SS \"" + roff(path) + "\"\n" + usage(command, path) + ".PP\n" + roff(command.get_description()) + "\n";
    for (const CLI::Option* option : options_of(command)) {
      std::string name = option->get_positional() ? "" : option->get_name(false, true);  // "-C,--directory"
      if (const auto comma = name.find(','); comma != std::string::npos) name.insert(comma + 1, " ");
      if (name.find("--help") != std::string::npos) continue;
      const std::string type = option->get_type_name();
      out += ".TP\n";
      if (!name.empty()) out += "\\fB" + roff(name) + "\\fR";
      const bool takes_value = option->get_expected_max() > 0 && !type.empty();
      if (takes_value) out += std::string(name.empty() ? "" : " ") + "\\fI" + roff(type) + "\\fR";
      out += "\n" + roff(option->get_description());
      // Directories and processors of the machine that made the page are nobody else's.
      const bool is_of_machine = option->get_name() == "--threads";
      if (const std::string& value = option->get_default_str();
          !value.empty() && takes_value && !is_of_machine && value.find('/') == std::string::npos)
        out += " (default: " + roff(value) + ")";
      if (!option->get_envname().empty()) out += ". Also " + roff(option->get_envname());
      out += ".\n";
    }
  }
  for (const CLI::App* sub : subcommands) section(*sub, path + " " + sub->get_name(), out);
}

/// Where it is one of a few words, those: CLI11 has them in the type, as "TEXT:{json,logfmt}".
std::string values_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const auto open = type.find('{');
  const auto close = type.find('}', std::min(open, type.size()));
  if (close == std::string::npos) return {};
  std::string values = type.substr(open + 1, close - open - 1);
  std::replace(values.begin(), values.end(), ',', ' ');
  return values;
}

/// Every command, with what may stand behind it.
struct Entry {
  std::string path;  // "tideline admin org"
  std::string help;
  std::vector<std::string> words;  // commands
  std::vector<std::string> flags;
  std::vector<std::pair<std::string, std::string>> values;  // of flags that take one of a few words
};

void collect(const CLI::App& command, const std::string& path, std::vector<Entry>& out) {
  Entry entry{path, command.get_description(), {}, {}, {}};
  for (const CLI::App* sub : commands_of(command)) entry.words.push_back(sub->get_name());
  for (const CLI::Option* option : options_of(command)) {
    for (const auto& name : option->get_snames()) entry.flags.push_back("-" + name);
    for (const auto& name : option->get_lnames()) {
      entry.flags.push_back("--" + name);
      if (const std::string values = values_of(*option); !values.empty())
        entry.values.emplace_back("--" + name, values);
    }
  }
  if (path == "tideline completions") entry.words = {"bash", "zsh", "fish"};
  std::sort(entry.flags.begin(), entry.flags.end());
  out.push_back(std::move(entry));
  for (const CLI::App* sub : commands_of(command)) collect(*sub, path + " " + sub->get_name(), out);
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

/// The words so far that are commands, as a path; what follows it is completed by a table of paths. Shared by bash and
/// zsh, which has bash's way of completing on request.
std::string bash(const std::vector<Entry>& entries) {
  std::string out =
      "# Completions of tideline for bash; made by `tideline completions bash`.\n"
      "_tideline() {\n"
      "  local current=${COMP_WORDS[COMP_CWORD]} path=tideline word words flags\n"
      "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
      "    case \"$path $word\" in\n";
  std::string paths;
  for (const auto& entry : entries)
    if (entry.path != "tideline") paths += (paths.empty() ? "      \"" : " | \\\n      \"") + entry.path + "\"";
  out += paths + ") path=\"$path $word\" ;;\n    esac\n  done\n  case $path in\n";
  for (const auto& entry : entries)
    out +=
        "    \"" + entry.path + "\") words=\"" + joined(entry.words) + "\" flags=\"" + joined(entry.flags) + "\" ;;\n";
  out += "  esac\n  case \"$path ${COMP_WORDS[COMP_CWORD-1]}\" in\n";
  for (const auto& entry : entries)
    for (const auto& [flag, values] : entry.values)
      out += "    \"" + entry.path + " " + flag + "\") COMPREPLY=($(compgen -W \"" + values +
             "\" -- \"$current\")); return ;;\n";
  out +=
      "  esac\n"
      "  case $current in\n"
      "    -*) COMPREPLY=($(compgen -W \"$flags\" -- \"$current\")) ;;\n"
      "    *) COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
      "       [[ ${#COMPREPLY[@]} -eq 0 ]] && COMPREPLY=($(compgen -f -- \"$current\")) ;;\n"
      "  esac\n"
      "}\n"
      "complete -F _tideline tideline\n";
  return out;
}

std::string fish_quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

void fish(const CLI::App& command, const std::vector<std::string>& path, std::string& out) {
  std::string when = "__fish_use_subcommand";
  if (!path.empty()) when = "__fish_seen_subcommand_from " + path.back();
  for (const CLI::App* sub : commands_of(command))
    out += "complete -c tideline -n " + fish_quoted(when) + " -f -a " + sub->get_name() + " -d " +
           fish_quoted(sub->get_description()) + "\n";
  for (const CLI::Option* option : options_of(command)) {
    const std::string values = values_of(*option);
    for (const auto& name : option->get_lnames())
      out += "complete -c tideline -n " + fish_quoted(when) + " -l " + name +
             (values.empty() ? option->get_expected_max() > 0 ? " -r" : "" : " -x -a " + fish_quoted(values)) + " -d " +
             fish_quoted(option->get_description()) + "\n";
  }
  for (const CLI::App* sub : commands_of(command)) {
    auto below = path;
    below.push_back(sub->get_name());
    fish(*sub, below, out);
  }
}

}  // namespace

std::string manual_page(const CLI::App& app) {
  std::string out =
      ".\\\" Made by `tideline manual`.\n"
      ".TH TIDELINE 1\n"
      ".SH NAME\n"
      "tideline \\- warehouse metadata, exact and offline, in every editor\n"
      ".SH SYNOPSIS\n"
      ".B tideline\n"
      "\\fIcommand\\fR [\\fIoptions\\fR]\n"
      ".SH DESCRIPTION\n"
      "Tideline keeps a company's data\\-warehouse metadata on a shared server, and an exact, verified copy of it in\n"
      "every developer's machine: which models and tables there are, their columns, what depends on what, what they\n"
      "mean. Queries are answered from the copy, also without a network.\n"
      ".SH COMMANDS\n";
  for (const CLI::App* command : commands_of(app)) section(*command, "tideline " + command->get_name(), out);
  out +=
      ".SH EXIT STATUS\n"
      ".TP\n0\nDone.\n.TP\n1\nFailed; standard error says why.\n.TP\n2\nThe arguments are not as they should be.\n"
      ".SH ENVIRONMENT\n"
      ".TP\n\\fBTIDELINE_TOKEN\\fR\nThe token, instead of a kept one.\n"
      ".TP\n\\fBTIDELINE_\\fR...\nA flag's value where the flag is not given: TIDELINE_SERVER for \\-\\-server.\n"
      ".TP\n\\fBNO_COLOR\\fR\nNo colour and no other escape sequence in the progress that is shown at a terminal "
      "(nothing else has any).\n"
      ".TP\n\\fBHTTPS_PROXY\\fR, \\fBNO_PROXY\\fR\nA proxy on the way to the server.\n"
      ".SH FILES\n"
      ".TP\n\\fI$XDG_CONFIG_HOME/tideline/credentials.toml\\fR\nTokens, for the user alone.\n"
      ".TP\n\\fI$XDG_CONFIG_HOME/tideline/config.toml\\fR\nNames of workspaces, where git does not know them.\n"
      ".TP\n\\fI$XDG_DATA_HOME/tideline/\\fR\nReplicas, and what each workspace syncs.\n";
  return out;
}

std::string completions(const CLI::App& app, const std::string& shell) {
  std::vector<Entry> entries;
  collect(app, "tideline", entries);
  if (shell == "bash") return bash(entries);
  if (shell == "zsh") {
    const std::string script = bash(entries);
    // zsh reads the same table; its own function is found by the first line.
    return "#compdef tideline\nautoload -U +X bashcompinit && bashcompinit\n" + script;
  }
  std::string out = "# Completions of tideline for fish; made by `tideline completions fish`.\n";
  fish(app, {}, out);
  return out;
}

}  // namespace tideline::cli
