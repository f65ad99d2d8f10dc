// The interface that counter_server offers and counter_client calls.
#pragma once

#include "mutirao/middleware/program.h"

using namespace mutirao::middleware;

struct Counter {
  static constexpr std::string_view kType = "Counter";
  Method<"add", std::int64_t(std::int64_t)> add;
};
