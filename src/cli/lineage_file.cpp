// `tideline lineage --file`: of a file that was never pushed. Asks the replica, and no server.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <optional>
#include <sstream>

#include "base/json.h"
#include "base/text.h"
#include "cli/client_context.h"
#include "cli/options.h"
#include "cli/query_output.h"
#include "cli/terminal.h"
#include "extract/project_jinja.h"
#include "replica/file_lineage.h"
#include "sql/dialect.h"
#include "sql/jinja.h"
#include "sql/parser.h"

namespace tideline::cli {
namespace {

namespace fs = std::filesystem;
using replica::FileLineage;

Result<std::string> read_text(const std::string& file) {
  std::ostringstream text;
  if (file == "-") {
    text << std::cin.rdbuf();
  } else {
    std::error_code error;
    if (fs::is_directory(file, error)) return fail(Code::kInvalidInput, file + " is a directory", "name a file of SQL");
    std::ifstream in(file, std::ios::binary);
    if (!in) return fail(Code::kNotFound, "the file " + file + " cannot be read", "check the path and its permissions");
    text << in.rdbuf();
    if (in.bad()) return fail(Code::kUnavailable, "the file " + file + " cannot be read to its end");
  }
  std::string read = std::move(text).str();
  if (read.size() > sql::kMaxJinjaBytes)
    return fail(Code::kTooLarge, (file == "-" ? "standard input" : file) + " is larger than a model may be (" +
                                     std::to_string(sql::kMaxJinjaBytes >> 20) + " MB)");
  if (!is_valid_utf8(read))
    return fail(Code::kInvalidInput, (file == "-" ? "standard input" : file) + " is not UTF-8 text");
  return read;
}

/// Where the file lies in its project; empty: not in it.
std::string path_in(const fs::path& root, const std::string& file) {
  std::error_code error;
  const fs::path whole = fs::weakly_canonical(file, error);
  if (error || root.empty()) return {};
  const std::string below = whole.lexically_relative(root).generic_string();
  return below.starts_with("..") ? std::string() : below;
}

struct Asked {
  ClientContext context;
  std::string path;
};

/// The workspace of the directory, or of the file where that lies in another project.
Result<Asked> find_workspace(const LineageOptions& options) {
  TRY(Asked asked,
      (find_context(options.place).transform([](ClientContext context) { return Asked{std::move(context), {}}; })));
  if (options.file == "-") return asked;
  asked.path = path_in(asked.context.workspace.root, options.file);
  if (!asked.path.empty()) return asked;
  std::error_code error;
  Place place = options.place;
  place.directory = fs::weakly_canonical(options.file, error).parent_path();
  if (error) return asked;
  auto of_file = find_context(place);
  if (!of_file || !of_file->workspace.has_project) return asked;
  asked.context = std::move(*of_file);
  asked.path = path_in(asked.context.workspace.root, options.file);
  return asked;
}

std::string position(std::string_view text, sql::Span span) {
  if (span.empty()) return "-";
  const auto at = sql::position_of(span.begin, text);
  return std::to_string(at.line) + ":" + std::to_string(at.column);
}

std::string name_of(const replica::FileSource& source) { return printable(label(source.object, source.column)); }

/// The tree of one column: what it takes its value from, and below that what the replica knows.
Result<replica::Lineage> tree_of(replica::View& view, const FileLineage& file, const replica::FileColumn& column,
                                 std::size_t depth, std::size_t limit) {
  replica::Lineage tree;
  std::map<std::pair<Uuid, std::string>, std::size_t> places;
  tree.nodes.push_back({{}, column.name, 0});
  const auto node_of = [&](const replica::LineageNode& node, std::size_t more) {
    const std::string name = node.object.here ? ascii_lower(node.column.value_or(""))
                                              : node.object.full_name + "." + node.column.value_or("");
    const auto [at, fresh] = places.emplace(std::pair(node.object.id, name), tree.nodes.size());
    if (fresh) tree.nodes.push_back({node.object, node.column, node.depth + more});
    return at->second;
  };
  for (const auto& edge : column.edges) {
    const auto& source = file.sources[edge.source];
    std::string type(to_string(edge.kind));
    if (!source.object.here) type += ", not in the replica";
    std::string reason(edge.doubt == lineage::Reason::kNone ? "" : to_string(edge.doubt));
    tree.edges.push_back({node_of({source.object, source.column, 0}, 1), 0, std::move(type), std::nullopt,
                          edge.confidence, edge.conditional, std::move(reason)});
    if (depth == 1 || !source.object.here) continue;
    replica::LineageQuery query{.from = {source.object, source.column},
                                .direction = replica::Direction::kUpstream,
                                .depth = depth == 0 ? 0 : depth - 1,
                                .influence = false,
                                .limit = limit};
    TRY(const auto above, view.lineage(query));
    tree.truncated |= above.truncated && depth == 0;
    for (const auto& more : above.edges) {
      replica::LineageEdge copy = more;
      copy.source = node_of(above.nodes[more.source], 1);
      copy.target = node_of(above.nodes[more.target], 1);
      tree.edges.push_back(std::move(copy));
    }
  }
  return tree;
}

void print_gap(std::string_view text, const replica::FileGap& gap) {
  std::string line = "  " + position(text, gap.place) + "  " + std::string(to_string(gap.reason));
  if (!gap.subject.empty()) line += "  " + cut_to(on_one_line(gap.subject), 80);
  print_line(line);
  if (!gap.advice.empty()) print_line("      " + gap.advice);
}

Result<void> print(replica::View& view, const FileLineage& file, std::string_view text, const LineageOptions& options) {
  std::string head = options.file == "-" ? std::string("standard input") : printable(options.file);
  head += "  " + (file.object ? file.object->object_type + " " + label(*file.object) + ", " : std::string());
  print_line(head + file.dialect + (file.connection.empty() ? "" : ", " + printable(file.connection)));
  for (const auto& column : file.columns) {
    std::string line = printable(column.name) + "  " + position(text, column.place);
    if (!column.expression.empty()) line += "  " + cut_to(on_one_line(column.expression), 80);
    if (column.constant) line += "  (no column)";
    print_line(line);
    TRY(const auto tree, tree_of(view, file, column, options.depth.value_or(1), options.limit));
    const auto lines = tree_lines(tree, replica::Direction::kUpstream);
    for (std::size_t i = 1; i < lines.size(); ++i) print_line(lines[i]);
    std::string why;
    for (const auto gap : column.gaps) why += (why.empty() ? "" : ", ") + std::string(to_string(file.gaps[gap].reason));
    if (!why.empty()) print_line("└─ not all is known: " + why);
  }
  if (!file.columns_complete) print_line("… and columns that are not known, see below");
  if (!file.influences.empty()) {
    print_line("its rows depend on");
    std::map<std::string, std::string> kinds;
    for (const auto& one : file.influences) {
      std::string& all = kinds[name_of(file.sources[one.source])];
      all += (all.empty() ? "" : ", ") + std::string(to_string(one.kind));
    }
    for (const auto& [name, all] : kinds) print_line("  " + name + "  " + all);
  }
  if (!file.gaps.empty()) {
    print_line(file.failed ? "nothing could be said of it" : "what is not understood");
    for (const auto& gap : file.gaps) print_gap(text, gap);
  }
  return {};
}

void write_place(JsonWriter& json, std::string_view text, sql::Span span) {
  json.key("at");
  if (span.empty()) {
    json.null();
    return;
  }
  const auto begin = sql::position_of(span.begin, text), end = sql::position_of(span.end, text);
  json.begin_object().key("line").number(begin.line).key("column").number(begin.column);
  json.key("end_line").number(end.line).key("end_column").number(end.column).end_object();
}

Result<std::string> to_json(replica::View& view, const FileLineage& file, std::string_view text,
                            const LineageOptions& options) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("file").string(options.file).key("dialect").string(file.dialect);
  json.key("connection").string(file.connection).key("object");
  if (file.object)
    write_ref(json, *file.object, std::nullopt);
  else
    json.null();
  json.key("failed").boolean(file.failed).key("columns_complete").boolean(file.columns_complete);
  json.key("sources").begin_array();
  for (const auto& source : file.sources) {
    json.begin_object();
    write_ref_members(json, source.object, source.column);
    json.key("known").boolean(source.known).end_object();
  }
  json.end_array().key("columns").begin_array();
  for (const auto& column : file.columns) {
    json.begin_object().key("name").string(column.name);
    write_place(json, text, column.place);
    json.key("expression");
    if (column.expression.empty())
      json.null();
    else
      json.string(column.expression);
    json.key("constant").boolean(column.constant).key("edges").begin_array();
    for (const auto& edge : column.edges) {
      json.begin_object().key("source").number(static_cast<std::int64_t>(edge.source));
      json.key("type").string(to_string(edge.kind)).key("conditional").boolean(edge.conditional);
      write_confidence(json, edge.confidence);
      json.key("reason");
      if (edge.doubt == lineage::Reason::kNone)
        json.null();
      else
        json.string(to_string(edge.doubt));
      json.end_object();
    }
    json.end_array().key("gaps").begin_array();
    for (const auto gap : column.gaps) json.number(static_cast<std::int64_t>(gap));
    json.end_array();
    if (options.depth.value_or(1) != 1) {
      TRY(const auto tree, tree_of(view, file, column, *options.depth, options.limit));
      write_lineage(json.key("upstream"), tree);
    }
    json.end_object();
  }
  json.end_array().key("influences").begin_array();
  for (const auto& one : file.influences) {
    json.begin_object().key("source").number(static_cast<std::int64_t>(one.source));
    json.key("type").string(to_string(one.kind)).end_object();
  }
  json.end_array().key("gaps").begin_array();
  for (const auto& gap : file.gaps) {
    json.begin_object().key("reason").string(to_string(gap.reason)).key("subject").string(gap.subject);
    json.key("advice").string(gap.advice);
    write_place(json, text, gap.place);
    json.end_object();
  }
  json.end_array().end_object();
  return out;
}

Result<void> run(const LineageOptions& options) {
  if (!options.dialect.empty() && !sql::is_adapter_or_dialect(options.dialect)) {
    std::string names;
    for (std::size_t i = 0; i < sql::kDialectCount; ++i)
      names += (names.empty() ? "" : ", ") + std::string(sql::dialect(static_cast<sql::DialectId>(i)).name);
    return wrong_arguments("there is no dialect " + options.dialect,
                           "it is the name of a dbt adapter, or one of " + names);
  }
  TRY(const std::string text, read_text(options.file));
  TRY(const Asked asked, find_workspace(options));
  TRY(auto reader, open_replica(asked.context));
  TRY(auto view, view_of(asked.context, reader));

  replica::FileQuery query{.text = text, .dialect = options.dialect, .path = asked.path};
  const auto& workspace = asked.context.workspace;
  query.subdir = workspace.subdir;
  if (asked.context.memory && asked.context.memory->mode != sync::SyncMode::kAll)
    for (const auto& one : asked.context.memory->connections) query.connections.push_back(one.id);
  query.own = view.preferred();
  std::optional<extract::ProjectJinja> jinja;
  if (workspace.has_project) {
    std::ifstream in(workspace.root / "dbt_project.yml", std::ios::binary);
    std::ostringstream yaml;
    yaml << in.rdbuf();
    query.project = sync::dbt_project_name(yaml.str());
    // Where it cannot be read, what depends on variables and macros is a gap.
    if (auto loaded = extract::ProjectJinja::load(workspace.root)) {
      jinja.emplace(std::move(*loaded));
      query.jinja = [&](const std::string& adapter) { return jinja->options(asked.path, adapter); };
    }
  }
  TRY(const auto file, replica::analyse_file(view, query));
  if (!options.place.json) return print(view, file, text, options);
  TRY(const auto json, to_json(view, file, text, options));
  print_line(json);
  return {};
}

}  // namespace

int lineage_of_file(const LineageOptions& options) { return ended(run(options)); }

}  // namespace tideline::cli
