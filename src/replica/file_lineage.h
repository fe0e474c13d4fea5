#pragma once
// The column lineage of a file that was never pushed: a dbt model with its Jinja, or plain SQL, as it is on disk or in
// an editor, over the relations and columns that a replica has. Asks no server. All places are places in the file.
//
// Nothing is executed. What the Jinja does not show is a gap with a reason, as everywhere (docs/lineage.md).

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lineage/result.h"
#include "replica/queries.h"
#include "sql/jinja.h"

namespace tideline::replica {

struct FileQuery {
  std::string_view text{};
  std::string dialect{};                    // of an adapter, known; empty: that of the file's connection
  std::string path{};                       // from its project's root; empty: unknown (standard input)
  std::string subdir{};                     // of that project in its repository
  std::string project{};                    // its name: ref() looks there first
  std::vector<ConnectionId> connections{};  // of the workspace; empty: all that the replica holds
  std::vector<ConnectionId> own{};          // of those, what the workspace's name matches
  /// What its Jinja is read with, for the warehouse given ("": not known). Empty: nothing is known of its project.
  std::function<sql::JinjaOptions(const std::string& adapter)> jinja{};
};

/// A column of what the file reads. `object.here` false: no object of the replica; then only full_name is known, as it
/// is written.
struct FileSource {
  ObjectRef object{};
  std::string column{};
  bool known = true;  // the object is known to have it
};

struct FileEdge {
  std::size_t source = 0;  // index of FileLineage::sources
  lineage::EdgeKind kind = lineage::EdgeKind::kDirect;
  bool conditional = false;  // it only decides
  std::uint16_t confidence = 1000;
  lineage::Reason doubt = lineage::Reason::kNone;
};

struct FileColumn {
  std::string name{};
  sql::Span place{};         // of the item that gives it; empty: a * whose end is elsewhere
  std::string expression{};  // what computes it, as the file has it; empty: passed on
  bool constant = false;
  std::vector<FileEdge> edges{};
  std::vector<std::size_t> gaps{};  // indexes of FileLineage::gaps
};

struct FileGap {
  lineage::Reason reason{};
  std::string subject{};
  std::string advice{};  // what to do, a sentence
  sql::Span place{};     // empty: the whole
};

struct FileInfluence {
  std::size_t source = 0;
  lineage::EdgeKind kind{};
};

struct FileLineage {
  std::optional<ObjectRef> object{};  // what the file is, as it was pushed last
  std::string connection{};           // its full name; empty: not known
  std::string dialect{};              // that was used
  std::vector<FileColumn> columns{};  // by position
  bool columns_complete = true;       // false: there are more, see gaps
  std::vector<FileSource> sources{};
  std::vector<FileInfluence> influences{};  // on the rows, whatever the column
  std::vector<FileGap> gaps{};              // by place
  bool failed = false;                      // nothing could be said
};

/// Errors: kCorrupt, kUnavailable as those of View. Time: that of lineage/lineage.h, and linear in the relations there
/// are.
Result<FileLineage> analyse_file(View& view, const FileQuery& query);

}  // namespace tideline::replica
