#include "cli/query_output.h"

#include <algorithm>
#include <tuple>

#include "cli/terminal.h"
#include "lineage/reason.h"
#include "model/confidence.h"

namespace tideline::cli {

using replica::Direction;
using replica::Lineage;
using replica::ObjectRef;

std::string on_one_line(std::string_view text) {
  std::string line;
  for (const char c : printable(text))
    if (c != ' ' || (!line.empty() && line.back() != ' ')) line += c;
  return line;
}

std::string label(const ObjectRef& object) {
  const std::string place = object.place.empty() ? "" : object.place + ":";
  if (object.name.empty()) return place + object.full_name;
  // A source is known by its table's place: several have a table of the same name.
  if (object.object_type == "source" && object.unique_id.ends_with("." + object.name)) {
    const std::string_view before(object.unique_id.data(), object.unique_id.size() - object.name.size() - 1);
    if (const auto dot = before.rfind('.'); dot != std::string_view::npos)
      return place + object.unique_id.substr(dot + 1);
  }
  return place + object.name;
}

std::string label(const ObjectRef& object, const std::optional<std::string>& column) {
  return column ? label(object) + "." + *column : label(object);
}

void write_ref_members(JsonWriter& json, const ObjectRef& object, const std::optional<std::string>& column) {
  json.key("id").string(object.id.to_string()).key("unique_id").string(object.unique_id);
  json.key("name").string(object.name).key("full_name").string(object.full_name);
  json.key("object_type").string(object.object_type).key("connection_id").string(object.connection.to_string());
  json.key("here").boolean(object.own).key("in_replica").boolean(object.here);
  if (column) json.key("column").string(*column);
}

void write_confidence(JsonWriter& json, std::int64_t thousandths) {
  std::string number;
  append_confidence(number, thousandths);
  json.key("confidence").raw(number);
}

void write_ref(JsonWriter& json, const ObjectRef& object, const std::optional<std::string>& column) {
  json.begin_object();
  write_ref_members(json, object, column);
  json.end_object();
}

Result<NodeNotes> notes_of(replica::View& view, const Lineage& lineage) {
  NodeNotes notes(lineage.nodes.size());
  std::vector<char> has_upstream(lineage.nodes.size(), 0);
  for (const auto& edge : lineage.edges) has_upstream[edge.target] = 1;
  for (std::size_t i = 0; i < lineage.nodes.size(); ++i) {
    const auto& node = lineage.nodes[i];
    if (!node.column || !node.object.here) continue;
    if (node.object.object_type != "model" && node.object.object_type != "snapshot") continue;
    TRY(auto state, view.column_state(node.object.id, *node.column));
    const bool is_end = !has_upstream[i];
    notes[i].constant = std::move(state.constant);
    notes[i].gaps = std::move(state.gaps);
    notes[i].in_sql = state.in_sql;
    // Documented, and perhaps among the columns that a * gives: the model's gaps are why.
    if (is_end && notes[i].gaps.empty() && !notes[i].constant && state.in_sql)
      notes[i].gaps = std::move(state.gaps_of_model);
    auto& gaps = notes[i].gaps;
    std::sort(gaps.begin(), gaps.end());
    gaps.erase(std::unique(gaps.begin(), gaps.end()), gaps.end());
  }
  return notes;
}

std::vector<std::string> gap_lines(const replica::LineageState& state) {
  std::vector<std::string> lines;
  std::string_view before;
  for (const auto& gap : state.gaps) {
    std::string line = "  " + (gap.at.empty() ? std::string("-") : gap.at) + "  " + printable(gap.reason);
    if (!gap.subject.empty()) line += "  " + cut_to(on_one_line(gap.subject), 100);
    lines.push_back(std::move(line));
    const auto advice = lineage::advice(lineage::reason_of(gap.reason));
    if (!advice.empty() && advice != before) lines.push_back("      " + std::string(advice));
    before = advice;
  }
  return lines;
}

std::vector<std::string> tree_lines(const Lineage& lineage, Direction direction, const NodeNotes& notes) {
  std::vector<std::string> lines;
  if (lineage.nodes.empty()) return lines;
  struct Child {
    std::size_t node;
    const replica::LineageEdge* edge;
  };
  std::vector<std::vector<Child>> children(lineage.nodes.size());
  for (const auto& edge : lineage.edges) {
    if (direction == Direction::kUpstream)
      children[edge.target].push_back({edge.source, &edge});
    else
      children[edge.source].push_back({edge.target, &edge});
  }
  for (auto& of : children) {
    // By what is seen: the order of ids differs from one organization to the next.
    std::sort(of.begin(), of.end(), [&](const Child& a, const Child& b) {
      const auto key = [&](const Child& child) {
        const auto& node = lineage.nodes[child.node];
        return std::tuple(label(node.object, node.column), node.object.object_type, child.node, child.edge->type);
      };
      return key(a) < key(b);
    });
    of.erase(
        std::unique(of.begin(), of.end(),
                    [](const Child& a, const Child& b) { return a.node == b.node && a.edge->type == b.edge->type; }),
        of.end());
  }
  const auto line_of = [&](std::size_t node, const replica::LineageEdge* edge) {
    const auto& each = lineage.nodes[node];
    std::string line = printable(label(each.object, each.column));
    if (each.column) {
      if (edge) line += "  " + edge->type + (edge->conditional ? ", only decides" : "");
      if (edge && edge->expression && edge->type != "direct") line += "  " + cut_to(on_one_line(*edge->expression), 60);
    } else {
      line += "  " + (each.object.here ? each.object.object_type : std::string("not synced"));
    }
    if (edge && edge->confidence < 1000)
      line += "  (confidence 0." + std::to_string(1000 + edge->confidence).substr(1) +
              (edge->reason.empty() ? "" : ": " + printable(edge->reason)) + ")";
    if (node >= notes.size()) return line;
    const NodeNote& note = notes[node];
    if (note.constant) line += "  = " + cut_to(on_one_line(*note.constant), 60);
    if (!note.in_sql) line += "  (its SQL does not give it)";
    if (!note.gaps.empty()) {
      line += children[node].empty() ? "  (not known: " : "  (not all is known: ";
      for (const auto& gap : note.gaps) line += (&gap == &note.gaps.front() ? "" : ", ") + printable(gap);
      line += ")";
    }
    return line;
  };
  std::vector<char> unfolded(lineage.nodes.size(), 0);
  // An own stack: lineage is as deep as a project makes it.
  struct Frame {
    std::size_t node;
    std::size_t next;
    std::string indent;
  };
  lines.push_back(line_of(0, nullptr));
  unfolded[0] = 1;
  std::vector<Frame> stack{{0, 0, ""}};
  while (!stack.empty()) {
    Frame& frame = stack.back();
    const auto& of = children[frame.node];
    if (frame.next == of.size()) {
      stack.pop_back();
      continue;
    }
    const Child child = of[frame.next++];
    const bool last = frame.next == of.size();
    const bool again = unfolded[child.node] && !children[child.node].empty();
    lines.push_back(frame.indent + (last ? "└─ " : "├─ ") + line_of(child.node, child.edge) +
                    (again ? "  (above)" : ""));
    if (unfolded[child.node]) continue;
    unfolded[child.node] = 1;
    std::string indent = frame.indent + (last ? "   " : "│  ");
    stack.push_back({child.node, 0, std::move(indent)});
  }
  if (lineage.truncated) lines.emplace_back("… there is more (--depth, --limit)");
  return lines;
}

void write_lineage(JsonWriter& json, const Lineage& lineage, const NodeNotes& notes) {
  json.begin_object().key("nodes").begin_array();
  for (std::size_t i = 0; i < lineage.nodes.size(); ++i) {
    const auto& node = lineage.nodes[i];
    json.begin_object();
    write_ref_members(json, node.object, node.column);
    json.key("depth").number(static_cast<std::int64_t>(node.depth));
    if (i < notes.size()) {
      if (notes[i].constant) json.key("constant").string(*notes[i].constant);
      if (!notes[i].in_sql) json.key("in_sql").boolean(false);
      if (!notes[i].gaps.empty()) {
        json.key("gaps").begin_array();
        for (const auto& gap : notes[i].gaps) json.string(gap);
        json.end_array();
      }
    }
    json.end_object();
  }
  json.end_array().key("edges").begin_array();
  for (const auto& edge : lineage.edges) {
    json.begin_object().key("source").number(static_cast<std::int64_t>(edge.source));
    json.key("target").number(static_cast<std::int64_t>(edge.target)).key("type").string(edge.type);
    json.key("expression").optional_string(edge.expression);
    write_confidence(json, edge.confidence);
    json.key("conditional").boolean(edge.conditional).key("reason");
    json.optional_string(edge.reason.empty() ? std::nullopt : std::optional(edge.reason));
    json.end_object();
  }
  json.end_array().key("truncated").boolean(lineage.truncated).end_object();
}

}  // namespace tideline::cli
