# Three packages, .deb and .rpm: tools/package. The same sources, the same bytes: dates come from
# SOURCE_DATE_EPOCH, paths are cut (cmake/cairn.cmake).
string(TIMESTAMP CAIRN_DATE "%a, %d %b %Y %H:%M:%S +0000" UTC)  # of SOURCE_DATE_EPOCH where set
configure_file(cmake/package/changelog.in changelog @ONLY)
find_program(GZIP gzip REQUIRED)
execute_process(COMMAND ${GZIP} -9n -f -k changelog
  WORKING_DIRECTORY ${PROJECT_BINARY_DIR} COMMAND_ERROR_IS_FATAL ANY)
foreach(pair agent:cairn-agent collector:cairn-collector cli:cairn)
  string(REPLACE ":" ";" pair ${pair})
  list(GET pair 0 component)
  list(GET pair 1 package)
  install(FILES ${PROJECT_BINARY_DIR}/changelog.gz cmake/package/copyright
    DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${package} COMPONENT ${component})
endforeach()

set(CPACK_PACKAGE_NAME cairn)
set(CPACK_PACKAGE_VERSION ${CAIRN_VERSION})
set(CPACK_PACKAGE_VENDOR "the cairn authors")
set(CPACK_PACKAGE_CONTACT "the cairn authors <cairn@example.org>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL agent collector cli)
set(CPACK_COMPONENTS_GROUPING IGNORE)

set(agent_summary "tamper-evident kernel audit log: agent")
string(CONCAT agent_text "Records kernel events with eBPF and the audit netlink, in a log\n"
  "that shows when somebody has touched it, and ships it to a collector\n"
  "that answers with signed receipts.")
set(collector_summary "tamper-evident kernel audit log: collector")
string(CONCAT collector_text "Verifies, stores and receipts the logs of many hosts over\n"
  "mutual TLS 1.3.")
set(cli_summary "tamper-evident kernel audit log: reader and verifier")
string(CONCAT cli_text "Reads, checks and steers cairn's logs. Verification needs a\n"
  "pinned public key and nothing else.")

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_RPM_COMPONENT_INSTALL ON)
set(CPACK_RPM_FILE_NAME RPM-DEFAULT)
set(CPACK_RPM_PACKAGE_LICENSE Apache-2.0)
set(CPACK_RPM_SPEC_MORE_DEFINE "%define _build_id_links none
%define use_source_date_epoch_as_buildtime 1
%define clamp_mtime_to_source_date_epoch 1
%define _buildhost reproducible")
set(CPACK_RPM_EXCLUDE_FROM_AUTO_FILELIST_ADDITION /etc /etc/logrotate.d /lib /usr/lib /usr/lib/systemd
  /usr/lib/systemd/system /usr/lib/sysusers.d /usr/lib/tmpfiles.d /usr/sbin /usr/bin
  /usr/share/man /usr/share/man/man1 /usr/share/man/man5 /usr/share/man/man7 /usr/share/man/man8
  /usr/share/bash-completion /usr/share/bash-completion/completions /usr/share/zsh
  /usr/share/zsh/vendor-completions /usr/share/fish /usr/share/fish/vendor_completions.d)
foreach(component agent collector cli)
  string(TOUPPER ${component} upper)
  set(CPACK_COMPONENT_${upper}_DESCRIPTION "${${component}_summary}\n${${component}_text}")
  set(CPACK_DEBIAN_${upper}_PACKAGE_SECTION admin)
  set(CPACK_RPM_${component}_PACKAGE_SUMMARY "${${component}_summary}")
  set(CPACK_RPM_${component}_PACKAGE_DESCRIPTION "${${component}_text}")
endforeach()
foreach(component agent collector)
  string(TOUPPER ${component} upper)
  set(scripts ${PROJECT_SOURCE_DIR}/cmake/package/${component})
  set(CPACK_DEBIAN_${upper}_PACKAGE_NAME cairn-${component})
  set(CPACK_RPM_${component}_PACKAGE_NAME cairn-${component})
  file(GLOB control ${scripts}/conffiles ${scripts}/postinst ${scripts}/prerm ${scripts}/postrm)
  set(CPACK_DEBIAN_${upper}_PACKAGE_CONTROL_EXTRA "${control}")
  set(CPACK_RPM_${component}_POST_INSTALL_SCRIPT_FILE ${scripts}/post.rpm)
  set(CPACK_RPM_${component}_PRE_UNINSTALL_SCRIPT_FILE ${scripts}/preun.rpm)
  set(CPACK_DEBIAN_${upper}_PACKAGE_DEPENDS "systemd (>= 247), init-system-helpers (>= 1.52)")
  set(CPACK_RPM_${component}_PACKAGE_REQUIRES "systemd >= 247")
endforeach()
string(APPEND CPACK_DEBIAN_AGENT_PACKAGE_DEPENDS ", cairn (= ${CAIRN_VERSION})")
string(APPEND CPACK_RPM_agent_PACKAGE_REQUIRES ", cairn = ${CAIRN_VERSION}")
set(CPACK_DEBIAN_COLLECTOR_PACKAGE_RECOMMENDS cairn)
set(CPACK_DEBIAN_CLI_PACKAGE_NAME cairn)
set(CPACK_RPM_cli_PACKAGE_NAME cairn)
set(CPACK_RPM_agent_USER_FILELIST "%config(noreplace) /etc/cairn/agent.yaml"
  "%config(noreplace) /etc/cairn/policy.d/baseline.yaml")
set(CPACK_RPM_collector_USER_FILELIST "%config(noreplace) /etc/logrotate.d/cairn-collector")
include(CPack)
