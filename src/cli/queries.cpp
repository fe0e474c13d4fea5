// `search`, `show`, `lineage`, `impact` and `docs`: questions to the replica. They ask no server and need no token.

#include <algorithm>
#include <map>
#include <set>

#include "base/json.h"
#include "cli/client_context.h"
#include "cli/options.h"
#include "cli/query_output.h"
#include "cli/terminal.h"

namespace tideline::cli {
namespace {

using replica::Direction;

/// The one thing a name means; what else it could be is for the person to say.
Result<replica::Target> resolve(replica::View& view, const std::string& name) {
  TRY(auto resolution, view.resolve(name));
  if (resolution.target) return std::move(*resolution.target);
  Error error{
      Code::kInvalidInput, "\"" + printable(name) + "\" could be each of these", "say which, as it stands here", {}};
  // By what they differ in, each as it can be typed.
  std::set<ConnectionId> connections;
  std::map<std::string, int> times;
  const auto named = [](const replica::Target& each) {
    return each.object.unique_id.empty() ? each.object.full_name : each.object.unique_id;
  };
  for (const auto& each : resolution.candidates) {
    connections.insert(each.object.connection);
    ++times[each.object.connection.to_string() + named(each) + each.column.value_or("")];
  }
  for (const auto& each : resolution.candidates) {
    std::string form = named(each);
    if (connections.size() > 1) {
      TRY(const std::string place, view.place(each.object.connection));
      form = place + ":" + form;
    }
    if (times[each.object.connection.to_string() + named(each) + each.column.value_or("")] > 1)
      form = each.object.id.to_string();
    error.detail += printable(form) + (each.column ? "." + printable(*each.column) : "") + "\n";
  }
  return fail(std::move(error));
}

std::string_view where_of(replica::SearchHit::Where where) {
  using Where = replica::SearchHit::Where;
  switch (where) {
    case Where::kName:
      return "name";
    case Where::kNamePrefix:
      return "name prefix";
    case Where::kNamePart:
      return "name part";
    case Where::kDescription:
      return "description";
    case Where::kDocumentation:
      break;
  }
  return "documentation";
}

Result<void> run(const SearchOptions& options) {
  TRY(auto opened, open_view(options.place));
  replica::SearchQuery query;
  query.text = options.text;
  query.object_types = options.types;
  query.limit = options.limit;
  if (!options.only.empty()) {
    const auto in = [&](const char* where) {
      return std::find(options.only.begin(), options.only.end(), where) != options.only.end();
    };
    query.objects = in("objects");
    query.columns = in("columns");
    query.documentation = in("docs");
  }
  TRY(const auto answer, opened.view.search(query));
  if (options.place.json) {
    std::string text;
    JsonWriter json(text);
    json.begin_object().key("hits").begin_array();
    for (const auto& hit : answer.hits) {
      json.begin_object().key("kind").string(hit.kind == Kind::kColumn   ? "column"
                                             : hit.kind == Kind::kObject ? "object"
                                                                         : "documentation");
      json.key("where").string(where_of(hit.where));
      write_ref_members(json, hit.object, hit.kind == Kind::kColumn ? std::optional(hit.column) : std::nullopt);
      json.key("text").string(hit.text).end_object();
    }
    json.end_array().key("more").boolean(answer.more).end_object();
    print_line(text);
    return {};
  }
  if (answer.hits.empty()) {
    print_line("nothing found");
    return {};
  }
  std::vector<std::vector<std::string>> rows{{"NAME", "TYPE", "TEXT"}};
  std::size_t name_width = 4, type_width = 4;
  for (const auto& hit : answer.hits) {
    const bool is_column = hit.kind == Kind::kColumn;
    rows.push_back({printable(label(hit.object, is_column ? std::optional(hit.column) : std::nullopt)),
                    is_column                          ? "column"
                    : hit.kind == Kind::kDocumentation ? hit.object.object_type + " docs"
                                                       : hit.object.object_type,
                    printable(hit.text)});
    name_width = std::max(name_width, rows.back()[0].size());
    type_width = std::max(type_width, rows.back()[1].size());
  }
  const std::size_t width = terminal_width();
  const std::size_t used = name_width + type_width + 4;
  for (auto& row : rows)
    if (row.size() == 3) row[2] = cut_to(row[2], width == 0 ? 100 : width > used + 10 ? width - used : 10);
  print_table(rows);
  if (answer.more) print_line("… there is more (--limit)");
  return {};
}

void line(const char* name, const std::string& value) {
  if (!value.empty())
    print_line("  " + std::string(name) + std::string(14 - std::string_view(name).size(), ' ') + value);
}

void show_object_json(const replica::ObjectDetails& details) {
  const ObjectRecord& record = details.record;
  std::string text;
  JsonWriter json(text);
  json.begin_object();
  write_ref_members(json, details.object, std::nullopt);
  json.key("connection").string(details.connection_full_name).key("path").optional_string(details.path);
  json.key("schema_name")
      .optional_string(record.schema_name)
      .key("database_name")
      .optional_string(record.database_name);
  json.key("description").optional_string(record.description).key("definition").optional_string(record.definition);
  json.key("compiled_definition").optional_string(record.compiled_definition);
  json.key("metadata").raw(record.metadata.text).key("extraction_tier").string(record.extraction_tier);
  json.key("columns").begin_array();
  for (const auto& column : details.columns) {
    json.begin_object().key("name").string(column.name).key("data_type").optional_string(column.data_type);
    json.key("is_nullable");
    if (column.is_nullable)
      json.boolean(*column.is_nullable);
    else
      json.null();
    json.key("is_primary_key").boolean(column.is_primary_key).key("is_foreign_key").boolean(column.is_foreign_key);
    json.key("description").optional_string(column.description).key("position").number(column.position);
    json.key("metadata").raw(column.metadata).end_object();
  }
  json.end_array();
  for (const auto& [name, list] :
       {std::pair("upstream", &details.upstream), std::pair("downstream", &details.downstream)}) {
    json.key(name).begin_array();
    for (const auto& each : *list) {
      json.begin_object();
      write_ref_members(json, each.object, std::nullopt);
      json.key("dependency_type").string(each.dependency_type).end_object();
    }
    json.end_array();
  }
  json.key("documented").boolean(!details.documentation.empty()).end_object();
  print_line(text);
}

void print_neighbours(const char* title, const std::vector<replica::Neighbour>& neighbours) {
  if (neighbours.empty()) return;
  print_line(title);
  for (const auto& each : neighbours)
    print_line("  " + printable(label(each.object)) + "  " +
               (each.object.here ? each.object.object_type : std::string("not synced")));
}

Result<void> run(const ShowOptions& options) {
  TRY(auto opened, open_view(options.place));
  TRY(auto target, resolve(opened.view, options.name));
  if (target.column == "*") target.column.reset();
  TRY(auto details, opened.view.show(target.object.id));
  if (target.column) std::erase_if(details.columns, [&](const auto& column) { return column.name != *target.column; });
  if (options.place.json) {
    show_object_json(details);
    return {};
  }
  const ObjectRecord& record = details.record;
  print_line(printable(label(details.object, target.column)) + "  " + (target.column ? "column of a " : "") +
             record.object_type);
  line("unique_id", printable(details.object.unique_id));
  line("relation", record.full_name == details.object.unique_id ? "" : printable(record.full_name));
  line("connection", printable(details.connection_full_name));
  std::string path = printable(details.path.value_or(""));
  if (!path.empty() && record.line_start) path += ":" + std::to_string(*record.line_start);
  line("file", path);
  const auto state = replica::lineage_state(record.metadata.text);
  if (!target.column && !state.status.empty())
    line("lineage", state.status == "complete" ? "in full" : state.status == "partial" ? "in part" : "not at all");
  if (!target.column && record.description && !record.description->empty())
    print_line(printable_lines(*record.description, "  "));
  if (!details.columns.empty()) {
    std::vector<std::vector<std::string>> rows{{"  COLUMN", "TYPE", "", "DESCRIPTION"}};
    for (const auto& column : details.columns) {
      std::string key = column.is_primary_key ? "primary key" : column.is_foreign_key ? "foreign key" : "";
      if (column.is_nullable && !*column.is_nullable) key += key.empty() ? "not null" : ", not null";
      rows.push_back({"  " + printable(column.name), printable(column.data_type.value_or("")), key,
                      cut_to(printable(column.description.value_or("")), 100)});
    }
    print_line("columns");
    print_table(rows);
  }
  if (target.column) return {};
  if (!state.gaps.empty()) {
    print_line(state.of_file ? "not known of its lineage (places in its file)"
                             : "not known of its lineage (places in its compiled SQL)");
    for (const auto& each : gap_lines(state)) print_line(each);
  }
  print_neighbours("upstream", details.upstream);
  print_neighbours("downstream", details.downstream);
  if (!details.documentation.empty()) print_line("documented: tideline docs " + printable(options.name));
  return {};
}

Result<void> run(const LineageOptions& options) {
  TRY(auto opened, open_view(options.place));
  TRY(const auto target, resolve(opened.view, options.name));
  const bool both = options.up == options.down;
  struct Way {
    const char* name;
    Direction direction;
    bool wanted;
  };
  const Way ways[] = {{"upstream", Direction::kUpstream, both || options.up},
                      {"downstream", Direction::kDownstream, both || options.down}};
  std::string text;
  JsonWriter json(text);
  json.begin_object().key("from");
  write_ref(json, target.object, target.column);
  bool first = true, is_known = true;
  for (const auto& way : ways) {
    if (!way.wanted) continue;
    replica::LineageQuery query{.from = target,
                                .direction = way.direction,
                                .depth = options.depth.value_or(0),
                                .influence = options.influence,
                                .limit = options.limit};
    TRY(const auto lineage, opened.view.lineage(query));
    NodeNotes notes;
    if (way.direction == Direction::kUpstream) {
      TRY(notes, notes_of(opened.view, lineage));
    }
    if (options.place.json) {
      write_lineage(json.key(way.name), lineage, notes);
      continue;
    }
    if (!first) print_line("");
    first = false;
    print_line(way.name);
    for (const auto& each : tree_lines(lineage, way.direction, notes)) print_line(each);
    is_known &= std::all_of(notes.begin(), notes.end(), [](const NodeNote& note) { return note.gaps.empty(); });
  }
  if (!is_known) print_line("why, and what to do: tideline show of that model, or tideline lineage --gaps of all");
  json.end_object();
  if (options.place.json) print_line(text);
  return {};
}

Result<void> run(const ImpactOptions& options) {
  TRY(auto opened, open_view(options.place));
  TRY(const auto asked, resolve(opened.view, options.name));
  TRY(const auto impact, opened.view.impact(asked, options.limit));
  const auto& target = impact.from;
  const std::pair<const char*, const std::vector<replica::LineageNode>*> groups[] = {{"columns", &impact.columns},
                                                                                     {"influenced", &impact.influenced},
                                                                                     {"objects", &impact.objects},
                                                                                     {"tests", &impact.tests},
                                                                                     {"exposures", &impact.exposures}};
  if (options.place.json) {
    std::string text;
    JsonWriter json(text);
    json.begin_object().key("from");
    write_ref(json, target.object, target.column);
    for (const auto& [name, nodes] : groups) {
      json.key(name).begin_array();
      for (const auto& node : *nodes) {
        json.begin_object();
        write_ref_members(json, node.object, node.column);
        json.key("depth").number(static_cast<std::int64_t>(node.depth)).end_object();
      }
      json.end_array();
    }
    json.key("columns_known").boolean(impact.columns_known).key("through_unknown").boolean(impact.through_unknown);
    json.key("truncated").boolean(impact.truncated).end_object();
    print_line(text);
    return {};
  }
  print_line("a change of " + printable(label(target.object, target.column)) + " reaches");
  bool any = false;
  for (const auto& [name, nodes] : groups) {
    if (nodes->empty()) continue;
    any = true;
    const std::string_view title = std::string_view(name) == "influenced" ? "columns whose rows it decides on" : name;
    print_line("  " + std::string(title) + " (" + std::to_string(nodes->size()) + ")");
    for (const auto& node : *nodes) {
      std::string text = "    " + printable(label(node.object, node.column));
      if (!node.column && std::string_view(name) == "objects") text += "  " + node.object.object_type;
      print_line(text);
    }
  }
  if (!any) print_line("  nothing");
  if (!impact.columns_known) print_line("  (there is no column lineage for it: this is what depends on the object)");
  if (impact.through_unknown)
    print_line("  (a model on the way has no column lineage: all that depends on it is listed)");
  if (impact.truncated) print_line("  … there is more (--limit)");
  return {};
}

Result<void> run(const DocsOptions& options) {
  TRY(auto opened, open_view(options.place));
  TRY(const auto target, resolve(opened.view, options.name));
  TRY(const auto documents, opened.view.docs(target.object.id));
  if (options.place.json) {
    std::string text;
    JsonWriter json(text);
    json.begin_object().key("object");
    write_ref(json, target.object, std::nullopt);
    json.key("documentation").begin_array();
    for (const auto& each : documents) {
      const auto put = [&json](const char* key, const std::optional<JsonText>& value) {
        json.key(key);
        if (value)
          json.raw(value->text);
        else
          json.null();
      };
      json.begin_object().key("id").string(each.id.to_string());
      json.key("executive_summary").optional_string(each.executive_summary);
      json.key("business_narrative").optional_string(each.business_narrative);
      put("transformation_cards", each.transformation_cards), put("code_explanations", each.code_explanations);
      put("business_rules", each.business_rules), put("impact_analysis", each.impact_analysis);
      json.key("generated_at")
          .optional_string(each.generated_at ? std::optional(each.generated_at->to_string()) : std::nullopt);
      json.key("model").optional_string(each.model).key("doc_version").optional_string(each.doc_version);
      put("extra", each.extra);
      json.end_object();
    }
    json.end_array().end_object();
    print_line(text);
    return {};
  }
  if (documents.empty())
    return fail(Code::kNotFound, "there is no documentation of " + printable(label(target.object)));
  for (const auto& each : documents) {
    print_line(printable(label(target.object)) + "  " + target.object.object_type);
    const auto section = [](const char* title, const std::optional<std::string>& text) {
      if (!text || text->empty()) return;
      print_line(title);
      print_line(printable_lines(*text, "  "));
    };
    const auto text_of = [](const std::optional<JsonText>& json) {
      return json ? std::optional(json->text) : std::nullopt;
    };
    section("summary", each.executive_summary);
    section("narrative", each.business_narrative);
    section("transformations", text_of(each.transformation_cards));
    section("code", text_of(each.code_explanations));
    section("rules", text_of(each.business_rules));
    section("impact", text_of(each.impact_analysis));
    std::string made;
    if (each.model) made = "written by " + printable(*each.model);
    if (each.generated_at) made += (made.empty() ? "written " : " ") + each.generated_at->to_string().substr(0, 10);
    if (!made.empty()) print_line("(" + made + ")");
  }
  return {};
}

}  // namespace

int search(const SearchOptions& options) { return ended(run(options)); }
int show(const ShowOptions& options) { return ended(run(options)); }
int lineage(const LineageOptions& options) {
  if (options.gaps) return lineage_gaps(options);
  return options.file.empty() ? ended(run(options)) : lineage_of_file(options);
}
int impact(const ImpactOptions& options) { return ended(run(options)); }
int docs(const DocsOptions& options) { return ended(run(options)); }

}  // namespace tideline::cli
