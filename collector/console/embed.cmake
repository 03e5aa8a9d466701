# cmake -DDIR=… -DOUT=… -P embed.cmake: the files of the page as a C++ table.
set(types html "text/html; charset=utf-8" css "text/css; charset=utf-8"
          js "text/javascript; charset=utf-8" svg "image/svg+xml" webmanifest "application/manifest+json")
file(GLOB files RELATIVE ${DIR} ${DIR}/*)
list(SORT files)
set(arrays "")
set(table "")
set(number 0)
foreach(file ${files})
  file(READ ${DIR}/${file} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  get_filename_component(extension ${file} LAST_EXT)
  string(SUBSTRING ${extension} 1 -1 extension)
  list(FIND types ${extension} at)
  math(EXPR at "${at} + 1")
  list(GET types ${at} type)
  string(APPEND arrays "constexpr unsigned char kFile${number}[] = {${bytes}0};\n")
  set(path "/${file}")
  if(file STREQUAL "index.html")
    set(path "/")
  endif()
  string(APPEND table "    {\"${path}\", \"${type}\",\n     {reinterpret_cast<const char*>(kFile${number}), sizeof(kFile${number}) - 1}},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE ${OUT} "// Made from collector/console/page/ by embed.cmake.
#include \"collector/console/assets.h\"

namespace cairn::collector {
namespace {
${arrays}}  // namespace

absl::Span<const Asset> Assets() {
  static const Asset assets[] = {
${table}  };
  return assets;
}

}  // namespace cairn::collector
")
