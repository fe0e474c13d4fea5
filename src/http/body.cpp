#include "http/body.h"

#include <algorithm>

#include "http/compress.h"

namespace tideline::http {

MemoryBody::MemoryBody(std::string bytes, std::size_t piece) : bytes_(std::move(bytes)), piece_(piece) {}

awaitable<Result<std::span<const char>>> MemoryBody::next() {
  const std::size_t size = std::min(piece_, bytes_.size() - position_);
  const std::span<const char> out(bytes_.data() + position_, size);
  position_ += size;
  co_return out;
}

struct BodyReader::Decoder {
  explicit Decoder(Encoding encoding) : decompressor(encoding) {}
  Decompressor decompressor;
  bool input_ended = false;
};

BodyReader::BodyReader(RawBody& raw, std::string_view content_encoding)
    : raw_(raw), content_encoding_(content_encoding) {}
BodyReader::~BodyReader() = default;

namespace {
tl::unexpected<Error> too_large(std::uint64_t limit) {
  return fail(Code::kTooLarge, "the body is larger than the limit of " + std::to_string(limit) + " bytes");
}
}  // namespace

Result<void> BodyReader::start() {
  started_ = true;
  const auto encoding = parse_encoding(content_encoding_);
  if (!encoding)
    return fail(Code::kUnsupported, "Content-Encoding \"" + content_encoding_ + "\" is not known here",
                "send the body plain, or with gzip, zstd or deflate");
  if (*encoding != Encoding::kIdentity)
    decoder_ = std::make_unique<Decoder>(*encoding);
  else if (raw_.length().value_or(0) > limit_)
    // Said before the body is read, so that a client that asks first (Expect: 100-continue) never sends it.
    return too_large(limit_);
  return {};
}

awaitable<Result<std::span<const char>>> BodyReader::produce() {
  if (!started_) CO_TRY_VOID(start());
  for (;;) {
    if (decoder_) {
      CO_TRY(const auto plain, decoder_->decompressor.step(pending_));
      if (!plain.empty()) co_return plain;
      if (decoder_->input_ended) {
        CO_TRY_VOID(decoder_->decompressor.finish());
        co_return std::span<const char>{};
      }
    }
    auto raw = co_await raw_.next();
    if (!raw) co_return tl::unexpected(std::move(raw).error());
    received_ += raw->size();
    if (!decoder_) co_return *raw;
    pending_ = *raw;
    decoder_->input_ended = raw->empty();
  }
}

awaitable<Result<std::span<const char>>> BodyReader::next() {
  if (error_) co_return tl::unexpected(*error_);
  if (ended_) co_return std::span<const char>{};
  auto piece = co_await produce();
  if (piece && piece->size() > limit_ - decoded_) piece = too_large(limit_);
  if (!piece) {
    error_ = piece.error();
    co_return piece;
  }
  decoded_ += piece->size();
  ended_ = piece->empty();
  co_return piece;
}

awaitable<Result<std::string>> BodyReader::read_all(std::uint64_t limit) {
  if (!started_) limit_ = std::min(limit_, limit);
  std::string all;
  for (;;) {
    auto piece = co_await next();
    if (!piece) co_return tl::unexpected(std::move(piece).error());
    if (piece->empty()) co_return all;
    if (piece->size() > limit - all.size()) co_return too_large(limit);
    all.append(piece->data(), piece->size());
  }
}

}  // namespace tideline::http
