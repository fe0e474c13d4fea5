#include "http/compress.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <variant>
#include <vector>

#include <libdeflate.h>
#include <zlib.h>
#include <zstd.h>

#include "base/text.h"

namespace tideline::http {

namespace {

/// Wrong calls and failed allocations inside the libraries: nothing a caller can handle.
[[noreturn]] void give_up() { std::abort(); }
void require(bool ok) {
  if (!ok) give_up();
}

constexpr int kGzipWindow = 15 + 16;  // zlib's way of saying: gzip header and trailer
constexpr int kZlibWindow = 15;

/// q-values in thousandths; nullopt when malformed (RFC 9110 §12.4.2).
std::optional<int> parse_q(std::string_view text) {
  if (text.empty() || (text[0] != '0' && text[0] != '1')) return std::nullopt;
  int q = (text[0] - '0') * 1000;
  if (text.size() > 1) {
    if (text[1] != '.' || text.size() > 5) return std::nullopt;
    int unit = 100;
    for (const char c : text.substr(2)) {
      if (c < '0' || c > '9') return std::nullopt;
      q += (c - '0') * unit;
      unit /= 10;
    }
  }
  return q <= 1000 ? std::optional(q) : std::nullopt;
}

}  // namespace

std::string_view to_string(Encoding encoding) {
  switch (encoding) {
    case Encoding::kIdentity:
      return "identity";
    case Encoding::kGzip:
      return "gzip";
    case Encoding::kZstd:
      return "zstd";
    case Encoding::kDeflate:
      return "deflate";
  }
  return "identity";
}

std::optional<Encoding> parse_encoding(std::string_view name) {
  name = trim(name);
  if (name.empty() || equal_ignoring_case(name, "identity")) return Encoding::kIdentity;
  if (equal_ignoring_case(name, "gzip") || equal_ignoring_case(name, "x-gzip")) return Encoding::kGzip;
  if (equal_ignoring_case(name, "zstd")) return Encoding::kZstd;
  if (equal_ignoring_case(name, "deflate")) return Encoding::kDeflate;
  return std::nullopt;
}

std::optional<Encoding> negotiate(std::optional<std::string_view> accept_encoding) {
  if (!accept_encoding) return Encoding::kIdentity;
  std::optional<int> zstd, gzip, identity, any;
  for (std::string_view item : split(*accept_encoding, ',')) {
    const auto parts = split(item, ';');
    const std::string_view name = trim(parts.front());
    int q = 1000;
    for (std::size_t i = 1; i < parts.size(); ++i) {
      const std::string_view parameter = trim(parts[i]);
      if (parameter.size() >= 2 && (parameter[0] == 'q' || parameter[0] == 'Q') && parameter[1] == '=')
        q = parse_q(parameter.substr(2)).value_or(0);
    }
    if (name == "*") {
      any = q;
    } else if (!name.empty()) {
      const auto encoding = parse_encoding(name);
      if (encoding == Encoding::kZstd) zstd = q;
      if (encoding == Encoding::kGzip) gzip = q;
      if (encoding == Encoding::kIdentity) identity = q;
    }
  }
  const int zstd_q = zstd.value_or(any.value_or(0));
  const int gzip_q = gzip.value_or(any.value_or(0));
  // Identity is always acceptable unless it is ruled out; not being named, it is the last choice.
  const int identity_q = identity.value_or(any && *any == 0 ? 0 : 1);
  const int best = std::max({zstd_q, gzip_q, identity_q});
  if (best == 0) return std::nullopt;
  if (zstd_q == best) return Encoding::kZstd;
  if (gzip_q == best) return Encoding::kGzip;
  return Encoding::kIdentity;
}

std::string compress(std::string_view plain, Encoding encoding) {
  std::string out;
  switch (encoding) {
    case Encoding::kIdentity:
      out.assign(plain);
      break;
    case Encoding::kZstd: {
      out.resize(ZSTD_compressBound(plain.size()));
      const std::size_t size = ZSTD_compress(out.data(), out.size(), plain.data(), plain.size(), kZstdLevel);
      require(ZSTD_isError(size) == 0);
      out.resize(size);
      break;
    }
    case Encoding::kGzip: {
      const std::unique_ptr<libdeflate_compressor, decltype(&libdeflate_free_compressor)> compressor(
          libdeflate_alloc_compressor(kGzipLevel), &libdeflate_free_compressor);
      require(compressor != nullptr);
      out.resize(libdeflate_gzip_compress_bound(compressor.get(), plain.size()));
      const std::size_t size =
          libdeflate_gzip_compress(compressor.get(), plain.data(), plain.size(), out.data(), out.size());
      require(size != 0);
      out.resize(size);
      break;
    }
    case Encoding::kDeflate:
      give_up();
  }
  // What is cached should cost what it holds, not the worst case.
  out.shrink_to_fit();
  return out;
}

// ---- Compressor

struct Compressor::Impl {
  struct ZstdFree {
    void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  };
  struct Gzip {
    z_stream stream{};
    Gzip() { require(deflateInit2(&stream, kGzipLevel, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) == Z_OK); }
    ~Gzip() { deflateEnd(&stream); }
    Gzip(const Gzip&) = delete;
    Gzip& operator=(const Gzip&) = delete;
  };

  explicit Impl(Encoding encoding) {
    require(encoding != Encoding::kDeflate);
    if (encoding == Encoding::kZstd) {
      zstd.reset(ZSTD_createCCtx());
      require(zstd != nullptr);
      ZSTD_CCtx_setParameter(zstd.get(), ZSTD_c_compressionLevel, kZstdLevel);
    } else if (encoding == Encoding::kGzip) {
      gzip = std::make_unique<Gzip>();
    }
  }

  void run_zstd(std::string_view plain, ZSTD_EndDirective directive, std::string& out) {
    ZSTD_inBuffer in{plain.data(), plain.size(), 0};
    for (;;) {
      const std::size_t start = out.size();
      out.resize(start + std::max<std::size_t>(4096, ZSTD_compressBound(plain.size() - in.pos) / 4));
      ZSTD_outBuffer buffer{out.data() + start, out.size() - start, 0};
      const std::size_t rest = ZSTD_compressStream2(zstd.get(), &buffer, &in, directive);
      require(ZSTD_isError(rest) == 0);
      out.resize(start + buffer.pos);
      const bool done = directive == ZSTD_e_continue ? in.pos == in.size : rest == 0;
      if (done) return;
    }
  }

  void run_gzip(std::string_view plain, int mode, std::string& out) {
    // zlib counts in 32 bits.
    constexpr std::size_t kMost = 1U << 30;
    do {
      const std::string_view piece = plain.substr(0, kMost);
      plain.remove_prefix(piece.size());
      z_stream& stream = gzip->stream;
      stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(piece.data()));
      stream.avail_in = static_cast<uInt>(piece.size());
      const int now = plain.empty() ? mode : Z_NO_FLUSH;
      do {
        const std::size_t start = out.size();
        const auto room = static_cast<uInt>(std::max<std::size_t>(4096, stream.avail_in / 4));
        out.resize(start + room);
        stream.next_out = reinterpret_cast<Bytef*>(out.data() + start);
        stream.avail_out = room;
        require(deflate(&stream, now) != Z_STREAM_ERROR);
        out.resize(start + room - stream.avail_out);
      } while (gzip->stream.avail_out == 0);
    } while (!plain.empty());
  }

  void run(std::string_view plain, ZSTD_EndDirective zstd_mode, int zlib_mode, std::string& out) {
    if (zstd)
      run_zstd(plain, zstd_mode, out);
    else if (gzip)
      run_gzip(plain, zlib_mode, out);
    else
      out += plain;
  }

  std::unique_ptr<ZSTD_CCtx, ZstdFree> zstd;
  std::unique_ptr<Gzip> gzip;
};

Compressor::Compressor(Encoding encoding) : impl_(std::make_unique<Impl>(encoding)) {}
Compressor::~Compressor() = default;
Compressor::Compressor(Compressor&&) noexcept = default;
Compressor& Compressor::operator=(Compressor&&) noexcept = default;

void Compressor::write(std::string_view plain, std::string& out) {
  if (!plain.empty()) impl_->run(plain, ZSTD_e_continue, Z_NO_FLUSH, out);
}
void Compressor::flush(std::string& out) { impl_->run({}, ZSTD_e_flush, Z_SYNC_FLUSH, out); }
void Compressor::finish(std::string& out) { impl_->run({}, ZSTD_e_end, Z_FINISH, out); }

// ---- Decompressor

struct Decompressor::Impl {
  struct ZstdFree {
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  };
  struct Inflate {
    z_stream stream{};
    explicit Inflate(int window) { require(inflateInit2(&stream, window) == Z_OK); }
    ~Inflate() { inflateEnd(&stream); }
    Inflate(const Inflate&) = delete;
    Inflate& operator=(const Inflate&) = delete;
  };

  explicit Impl(Encoding which) : encoding(which) {
    if (encoding == Encoding::kZstd) {
      zstd.reset(ZSTD_createDCtx());
      require(zstd != nullptr);
      ZSTD_DCtx_setParameter(zstd.get(), ZSTD_d_windowLogMax, kMaxZstdWindowLog);
    } else if (encoding != Encoding::kIdentity) {
      zlib = std::make_unique<Inflate>(encoding == Encoding::kGzip ? kGzipWindow : kZlibWindow);
    }
    if (encoding != Encoding::kIdentity) out.resize(kStepBytes);
  }

  tl::unexpected<Error> corrupt(std::string_view why) const {
    return fail(Code::kInvalidInput, "the " + std::string(to_string(encoding)) + " data is corrupt near byte " +
                                         std::to_string(taken) + ": " + std::string(why));
  }

  Result<std::span<const char>> step_zstd(std::span<const char>& input) {
    // Output may be pending although all input is taken, so an empty input is worth a call too.
    while (!input.empty() || pending) {
      ZSTD_inBuffer in{input.data(), input.size(), 0};
      ZSTD_outBuffer buffer{out.data(), out.size(), 0};
      const std::size_t rest = ZSTD_decompressStream(zstd.get(), &buffer, &in);
      taken += in.pos;
      input = input.subspan(in.pos);
      if (ZSTD_isError(rest) != 0) return corrupt(ZSTD_getErrorName(rest));
      pending = buffer.pos == buffer.size;
      complete = rest == 0;
      if (complete) pending = false;
      if (in.pos > 0) started = true;
      if (buffer.pos > 0) return std::span<const char>(out.data(), buffer.pos);
    }
    return std::span<const char>{};
  }

  Result<std::span<const char>> step_zlib(std::span<const char>& input) {
    z_stream& stream = zlib->stream;
    while (!input.empty() || pending) {
      if (complete) {
        // A gzip file may be several members in a row (RFC 1952 §2.2).
        if (input.empty()) break;
        if (encoding != Encoding::kGzip) return corrupt("there is more behind its end");
        require(inflateReset(&stream) == Z_OK);
        complete = false;
      }
      const std::size_t most = std::min<std::size_t>(input.size(), 1U << 30);
      stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input.data()));
      stream.avail_in = static_cast<uInt>(most);
      stream.next_out = reinterpret_cast<Bytef*>(out.data());
      stream.avail_out = static_cast<uInt>(out.size());
      const int status = inflate(&stream, Z_NO_FLUSH);
      const std::size_t used = most - stream.avail_in;
      const std::size_t made = out.size() - stream.avail_out;
      taken += used;
      if (used > 0) started = true;
      input = input.subspan(used);
      if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR)
        return corrupt(stream.msg ? stream.msg : "it cannot be decoded");
      complete = status == Z_STREAM_END;
      pending = !complete && stream.avail_out == 0;
      if (made > 0) return std::span<const char>(out.data(), made);
      if (status == Z_BUF_ERROR && input.empty()) break;
    }
    return std::span<const char>{};
  }

  Encoding encoding;
  std::unique_ptr<ZSTD_DCtx, ZstdFree> zstd;
  std::unique_ptr<Inflate> zlib;
  std::vector<char> out;
  std::uint64_t taken = 0;
  bool started = false;   // a byte was taken: an empty body of an encoded type is not complete
  bool complete = false;  // at the end of a member or frame
  bool pending = false;   // the last step filled the output: more may come without more input
};

Decompressor::Decompressor(Encoding encoding) : impl_(std::make_unique<Impl>(encoding)) {}
Decompressor::~Decompressor() = default;
Decompressor::Decompressor(Decompressor&&) noexcept = default;
Decompressor& Decompressor::operator=(Decompressor&&) noexcept = default;

Result<std::span<const char>> Decompressor::step(std::span<const char>& input) {
  if (impl_->zstd) return impl_->step_zstd(input);
  if (impl_->zlib) return impl_->step_zlib(input);
  const auto all = input.first(std::min(input.size(), kStepBytes));
  input = input.subspan(all.size());
  impl_->taken += all.size();
  return all;
}

Result<void> Decompressor::finish() const {
  if (impl_->encoding == Encoding::kIdentity) return {};
  if (impl_->started && impl_->complete) return {};
  return fail(Code::kInvalidInput, "the " + std::string(to_string(impl_->encoding)) + " data is cut off at byte " +
                                       std::to_string(impl_->taken));
}

Result<std::string> decompress(std::string_view encoded, Encoding encoding, std::uint64_t limit) {
  Decompressor decompressor(encoding);
  std::string plain;
  std::span<const char> input(encoded.data(), encoded.size());
  for (;;) {
    TRY(const auto piece, decompressor.step(input));
    if (piece.empty()) break;
    if (piece.size() > limit - plain.size())
      return fail(Code::kTooLarge, "decodes to more than " + std::to_string(limit) + " bytes");
    plain.append(piece.data(), piece.size());
  }
  TRY_VOID(decompressor.finish());
  return plain;
}

}  // namespace tideline::http
