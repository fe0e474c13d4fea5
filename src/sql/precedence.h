#pragma once
// Binding powers, which reading and printing share.

#include <cstdint>

namespace tideline::sql {

/// From the loosest to the tightest.
enum Precedence : std::uint8_t {
  kPrecedenceNone,
  kPrecedenceAssign,  // :=, a ? b : c
  kPrecedenceOr,
  kPrecedenceXor,
  kPrecedenceAnd,
  kPrecedenceNot,
  kPrecedenceIs,
  kPrecedenceComparison,
  kPrecedenceRange,  // BETWEEN, IN, LIKE
  kPrecedenceOther,
  kPrecedenceBits,
  kPrecedenceAdditive,
  kPrecedenceMultiplicative,
  kPrecedencePower,
  kPrecedenceAtTimeZone,
  kPrecedenceCollate,
  kPrecedenceSign,
  kPrecedencePostfix,
};

}  // namespace tideline::sql
