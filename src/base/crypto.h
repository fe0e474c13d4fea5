#pragma once
// OpenSSL's beginning and end, for those who use it without calling it (libpq).

namespace tideline {

/// Has OpenSSL ready. It cleans up when the process ends, but after all static objects that are made from now on are
/// gone: for those whose threads use it. True.
bool set_up_crypto();

}  // namespace tideline
