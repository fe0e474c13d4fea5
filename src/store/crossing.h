#pragma once
// A source takes its columns from the relation of the same name that another connection builds, or its own (of many
// that build it, the first eight by id). These edges hang on the rows of both, so no push brings them: whoever writes
// objects or columns brings them to what the rows then say, in its own transaction.

#include <cstdint>

#include "model/row_hash.h"
#include "store/row_writer.h"

namespace tideline::store {

struct CrossingChange {
  std::int64_t added = 0;
  std::int64_t updated = 0;
  std::int64_t removed = 0;
  KindDigest difference;  // of column lineage: to be added to the connection's digest
};

/// `extracted_from` of these edges.
inline constexpr const char* kCrossing = "relation_name";

/// Writes what differs of the edges into and out of context.connection, and takes the other connections forward to the
/// version. In the transaction that wrote its rows, behind them, with the head locked. The answer is what changed of
/// the connection itself: the edges into it. Its time is linear in the relations of the connection and those of their
/// names; its memory hardly grows with them.
awaitable<Result<CrossingChange>> refresh_crossing(TenantTransaction& transaction, const WriteContext& context,
                                                   Deadline deadline);

}  // namespace tideline::store
