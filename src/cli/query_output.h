#pragma once
// Answers of the replica as text and as JSON.

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "replica/queries.h"

namespace tideline::cli {

/// "orders", "raw.orders" of a source, "orders.amount" of a column, "acme/shop:orders" of what is not the workspace's:
/// how lists and trees name it, and what a name may be given as.
std::string label(const replica::ObjectRef& object);
std::string label(const replica::ObjectRef& object, const std::optional<std::string>& column);

/// Of code: printable, and its runs of blanks and line ends as one blank.
std::string on_one_line(std::string_view text);

/// {"id", "unique_id", "name", "full_name", "object_type", "connection_id", "here", "in_replica"} and "column"
/// where there is one.
void write_ref(JsonWriter& json, const replica::ObjectRef& object, const std::optional<std::string>& column);
/// The same without the braces.
void write_ref_members(JsonWriter& json, const replica::ObjectRef& object, const std::optional<std::string>& column);

/// "confidence": 0.95 of 950 thousandths.
void write_confidence(JsonWriter& json, std::int64_t thousandths);

/// What is said of the nodes of a lineage beside their edges, by node; may be shorter than they are.
struct NodeNote {
  std::optional<std::string> constant{};
  std::vector<std::string> gaps{};  // reasons why there may be more above it
  bool in_sql = true;
};
using NodeNotes = std::vector<NodeNote>;
/// Of the columns upstream: why the tree ends where it does.
Result<NodeNotes> notes_of(replica::View& view, const replica::Lineage& lineage);

/// One way of a lineage as a tree from nodes[0]. What stands in it already is named again, but not unfolded again.
std::vector<std::string> tree_lines(const replica::Lineage& lineage, replica::Direction direction,
                                    const NodeNotes& notes = {});
void write_lineage(JsonWriter& json, const replica::Lineage& lineage, const NodeNotes& notes = {});

/// A line for each gap, with its place and what to do.
std::vector<std::string> gap_lines(const replica::LineageState& state);

}  // namespace tideline::cli
