#include "server/documentation_listing.h"

#include <memory>
#include <utility>

#include "server/body_encoder.h"
#include "server/query_text.h"
#include "wire/json_rows.h"

namespace tideline::server {
namespace {

class DocumentationBody {
 public:
  explicit DocumentationBody(http::Encoding encoding) : encoder_(encoding), rows_(encoder_.plain()) {
    encoder_.plain() += R"({"documentation":[)";
  }
  void add(const store::RowChunk& chunk) {
    store::append_rows(rows_, chunk);
    encoder_.settle();
  }
  Page finish(Version version) {
    encoder_.plain() += "]}";
    return encoder_.finish(version);
  }

 private:
  BodyEncoder encoder_;
  wire::JsonRows rows_;
};

awaitable<Result<Page>> load(ReadContext& context, ReadRequest read, ReadDocumentationRequest request) {
  const store::DocumentationQuery query{.connections = request.connection_ids, .objects = request.object_ids};
  CO_TRY(auto reader, co_await open_reader<store::DocumentationReader>(context, read, query));
  auto body = std::make_shared<DocumentationBody>(read.encoding);
  const auto finisher = [&reader] {
    return [version = reader.version()](DocumentationBody& whole) { return whole.finish(version); };
  };
  co_return co_await encode_page(context.workers, reader, std::move(body), finisher, read.deadline);
}

}  // namespace

awaitable<Result<Page>> list_documentation(ReadContext& context, ReadRequest read, ReadDocumentationRequest request) {
  PageKey key{.organization = read.tenant.organization, .version = read.state.version, .query = {}};
  QueryText(key.query, "documentation", read.encoding).add(request.connection_ids).add(request.object_ids);
  const Deadline deadline = read.deadline;
  co_return co_await context.pages.get(
      std::move(key), [&context, read, request] { return load(context, read, request); }, deadline);
}

}  // namespace tideline::server
