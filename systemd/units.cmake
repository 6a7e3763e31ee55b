# The units and what they need: see fetchpoold(8). The paths that they name are known for good when
# they are installed, for "cmake --install --prefix" may have its own. Within /usr, the configuration
# is in /etc; under another prefix, in its etc. A file that is there stays.

install(CODE "
set(FETCHPOOLD \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}/fetchpoold\")
set(FETCHPOOL_ETC \"\${CMAKE_INSTALL_PREFIX}/etc\")
if(CMAKE_INSTALL_PREFIX MATCHES \"^/usr(/local)?/?$\")
    set(FETCHPOOL_ETC /etc)
endif()
set(FETCHPOOL_CONF \"\${FETCHPOOL_ETC}/fetchpool/fetchpool.conf\")
foreach(unit system user)
    configure_file(\"${PROJECT_SOURCE_DIR}/systemd/\${unit}/fetchpoold.service.in\"
                   \"${CMAKE_CURRENT_BINARY_DIR}/\${unit}/fetchpoold.service\" @ONLY)
endforeach()
if(NOT EXISTS \"\$ENV{DESTDIR}\${FETCHPOOL_CONF}\")
    file(INSTALL \"${CMAKE_CURRENT_BINARY_DIR}/fetchpool.conf\"
         DESTINATION \"\${FETCHPOOL_ETC}/fetchpool\")
endif()")
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/system/fetchpoold.service systemd/system/fetchpoold.socket
        DESTINATION lib/systemd/system)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/user/fetchpoold.service systemd/user/fetchpoold.socket
        DESTINATION lib/systemd/user)
install(FILES systemd/fetchpool.sysusers RENAME fetchpool.conf DESTINATION lib/sysusers.d)
