// `cairn-collectord export`: every log of the store to one sink, once or for ever.
#ifndef CAIRN_COLLECTOR_EXPORT_RUN_H_
#define CAIRN_COLLECTOR_EXPORT_RUN_H_

namespace cairn::collector {

// cairn-collectord export ARGUMENTS. Exit code.
int ExportCommand(int argc, char** argv);

}  // namespace cairn::collector

#endif  // CAIRN_COLLECTOR_EXPORT_RUN_H_
