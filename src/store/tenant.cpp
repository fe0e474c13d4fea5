#include "store/tenant.h"

namespace tideline::store {

awaitable<Result<pg::ResultSet>> TenantTransaction::exec(pg::Statement statement, pg::Params params,
                                                         Deadline deadline) {
  co_return co_await lease_->exec(statement, std::move(params), deadline);
}

awaitable<Result<std::vector<pg::ResultSet>>> TenantTransaction::run(pg::Pipeline pipeline, Deadline deadline) {
  co_return co_await lease_->run_all(std::move(pipeline), deadline);
}

awaitable<Result<pg::RowStream>> TenantTransaction::stream(pg::Statement statement, pg::Params params, int chunk_rows,
                                                           Deadline deadline) {
  co_return co_await lease_->stream({}, statement, std::move(params), {}, chunk_rows, deadline);
}

awaitable<Result<void>> TenantTransaction::commit(Deadline deadline) {
  CO_TRY_VOID(co_await lease_->exec(pg::kCommit, deadline));
  lease_.release();
  co_return Result<void>();
}

}  // namespace tideline::store
