#include "cli/admin_backup.h"

#include <boost/asio/io_context.hpp>

#include "base/json.h"
#include "pg/dump.h"
#include "pg/run.h"
#include "store/admin.h"
#include "store/backup.h"
#include "store/migrate.h"

namespace tideline::cli {
namespace {

constexpr std::chrono::seconds kPatience{60};
constexpr std::chrono::seconds kMigrationPatience{600};

pg::DumpOptions dump_options(const AdminOptions& options, const BackupContext& context) {
  return {.conninfo = context.conninfo,
          .schemas = store::backup_schemas(),
          .file = std::filesystem::absolute(options.file),
          .data = context.data};
}

BackupAnswer restored(const Uuid& epoch, const std::string& what) {
  BackupAnswer answer;
  JsonWriter(answer.json).begin_object().key("epoch").string(epoch.to_string()).end_object();
  answer.note = what + "; its epoch is " + epoch.to_string() + ", and every replica syncs anew";
  return answer;
}

}  // namespace

Result<BackupAnswer> back_up(const AdminOptions& options, BackupContext context) {
  const pg::DumpOptions dump = dump_options(options, context);
  TRY_VOID(pg::dump(dump));
  TRY(const Uuid epoch, pg::run(context.io, store::read_epoch(context.connection, within(kPatience))));
  std::error_code error;
  const auto bytes = std::filesystem::file_size(dump.file, error);
  BackupAnswer answer;
  JsonWriter json(answer.json);
  json.begin_object().key("file").string(dump.file.string());
  json.key("bytes").number(error ? 0 : static_cast<std::int64_t>(bytes));
  json.key("epoch").string(epoch.to_string()).end_object();
  answer.note = dump.file.string() + " holds the database and its keys: keep it where secrets are kept";
  return answer;
}

Result<BackupAnswer> restore(const AdminOptions& options, BackupContext context) {
  if (options.epoch_only) {
    TRY(const Uuid epoch, pg::run(context.io, store::renew_epoch(context.connection, within(kPatience))));
    return restored(epoch, "the database has a new epoch");
  }
  // The roles a backup speaks of are the cluster's and not in it: the migrations make them.
  TRY_VOID(pg::run(context.io, store::migrate(context.connection, within(kMigrationPatience))));
  if (!options.replace) {
    TRY(const auto held, pg::run(context.io, store::admin::list_organizations(context.connection, within(kPatience))));
    if (!held.empty())
      return fail(Code::kConflict,
                  "the database holds " + std::to_string(held.size()) +
                      (held.size() == 1 ? " organization" : " organizations") + ", which a restore would replace",
                  "restore into an empty one, or say --replace");
  }
  TRY_VOID(pg::restore(dump_options(options, context), store::restore_epilogue()));
  // An older release's backup is brought to this one's schema.
  TRY_VOID(pg::run(context.io, store::migrate(context.connection, within(kMigrationPatience))));
  TRY(const Uuid epoch, pg::run(context.io, store::read_epoch(context.connection, within(kPatience))));
  return restored(epoch, "restored");
}

}  // namespace tideline::cli
