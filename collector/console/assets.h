// The console's page, in the program: nothing to install, nothing fetched from elsewhere.
#ifndef CAIRN_COLLECTOR_CONSOLE_ASSETS_H_
#define CAIRN_COLLECTOR_CONSOLE_ASSETS_H_

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace cairn::collector {

struct Asset {
  absl::string_view path;  // "/app.js"
  absl::string_view type;
  absl::string_view bytes;
};

// Lives for ever.
absl::Span<const Asset> Assets();

}  // namespace cairn::collector

#endif  // CAIRN_COLLECTOR_CONSOLE_ASSETS_H_
