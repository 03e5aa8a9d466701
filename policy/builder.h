// One compilation. Used by compile.cc and compile_rules.cc alone.
#ifndef CAIRN_POLICY_BUILDER_H_
#define CAIRN_POLICY_BUILDER_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "policy/compile.h"

namespace cairn::policy {

class PolicyBuilder {
 public:
  PolicyBuilder(const CompileOptions& options, std::vector<Problem>* problems)
      : options_(options), problems_(problems), policy_(std::make_shared<CompiledPolicy>()) {}

  std::shared_ptr<CompiledPolicy> Build(std::vector<Source> sources);

 private:
  void Wrong(const Source& source, const std::string& path, absl::string_view cause);
  void Identify(const Source& source, const std::string& path, const std::string& id);
  std::unique_ptr<const cel::Program> Condition(const Source& source, const std::string& path,
                                                const std::string& text, const cel::Scope& scope);
  bool EventsOf(const Source& source, const std::string& path, const Strings& on,
                cel::Scope* scope);

  void TakeLists(const Source& source);
  void TakeLevels(const Source& source);
  void TakeOverlays(const Source& source);
  void TakeOverlay(const Source& source, const std::string& path, const std::string& rule,
                   const RuleOverlay& overlay);
  void NoSuchRule(const Source& source, const std::string& path, const std::string& rule);
  void TakeLimits(const Source& source, const std::string& path, const Limits& limits,
                  HostLimit* host);
  void ApplyEnvironment();
  void TakeName(const Source& source);
  void CheckReserved(const Source& source);
  void TakeRule(const Source& source, int index);
  void ApplyOverlay(const Source& source, const std::string& path, const RuleOverlay& overlay,
                    Rule* rule);
  void TakeLimit(const Source& source, const std::string& path, CompiledRule* rule);
  void TakeCapture(const Source& source, const std::string& path, CompiledRule* rule);
  void TakeException(const Source& source, int index);
  void TakeNoise(const Source& source, int index);
  void TakeRedaction(const Source& source, int index);
  void Finish(std::vector<Source> sources);

  const CompileOptions& options_;
  std::vector<Problem>* const problems_;
  std::shared_ptr<CompiledPolicy> policy_;
  std::map<std::string, std::vector<std::string>> lists_;
  std::map<std::string, std::vector<std::string>> own_;
  absl::flat_hash_map<std::string, std::string> ids_;  // id: where it stands
  struct Overlay {
    const Source* source;
    std::string path;
    const RuleOverlay* overlay;
  };
  std::multimap<std::string, Overlay> overlays_;  // by rule
  absl::flat_hash_map<std::string, size_t> rule_by_id_;
  Levels overlay_levels_{};  // of the environment
  HostLimit overlay_limit_;
  absl::flat_hash_map<std::string, std::string> names_;  // metadata.name: file
};

}  // namespace cairn::policy

#endif  // CAIRN_POLICY_BUILDER_H_
