# Debian packages, one a component: "cmake --workflow --preset package" leaves them in build/package.
# Only a build for /usr makes them: Debian's directories for libraries and configuration are its own.

if(NOT CMAKE_INSTALL_PREFIX MATCHES "^/usr/?$")
    return()
endif()

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME fetchpool)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "") # each description below begins with its own
set(FETCHPOOL_MAINTAINER "The fetchpool authors <fetchpool@example.org>" CACHE STRING
    "Whom the Debian packages name as their maintainer")
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "${FETCHPOOL_MAINTAINER}")
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SOURCE fetchpool)
set(FETCHPOOL_DEBIAN_VERSION ${PROJECT_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE})
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL fetchpoold libfetchpool0 libfetchpool-dev fetchpool)
set(CPACK_SET_DESTDIR ON) # the units name the prefix, which is to be /usr and not CPack's own
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${CMAKE_CURRENT_BINARY_DIR})
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/systemd/packages_stage.cmake)

set(SCRIPTS ${PROJECT_SOURCE_DIR}/systemd/debian)
set(MADE ${CMAKE_CURRENT_BINARY_DIR}/debian)

# ---- What each is ------------------------------------------------------------------------------------

# libcurl's symbols would allow one of any age: see the configuration's check for why 8.5.
set(CPACK_DEBIAN_FETCHPOOLD_PACKAGE_DEPENDS
    "libcurl4 (>= 8.5) | libcurl4t64 (>= 8.5), init-system-helpers (>= 1.54~), \
systemd | systemd-standalone-sysusers | systemd-sysusers")
set(CPACK_DEBIAN_FETCHPOOLD_PACKAGE_RECOMMENDS "ca-certificates, fetchpool")
set(CPACK_DEBIAN_FETCHPOOLD_PACKAGE_SECTION net)
set(CPACK_DEBIAN_FETCHPOOLD_PACKAGE_CONTROL_EXTRA
    ${SCRIPTS}/conffiles ${SCRIPTS}/postinst ${SCRIPTS}/postrm ${SCRIPTS}/prerm)
set(CPACK_COMPONENT_FETCHPOOLD_DESCRIPTION "shared pool of HTTP connections, daemon
A process that sends an HTTPS request pays for a name look-up, a TCP connection
and a TLS handshake before it gets an answer, and a short-lived process pays
each time. fetchpoold owns one pool of HTTP/1.1 and HTTP/2 connections for the
whole host: every process sends its requests through it over a Unix socket.

This package contains the daemon and its systemd units.")

set(CPACK_DEBIAN_LIBFETCHPOOL0_PACKAGE_SUGGESTS fetchpoold)
set(CPACK_DEBIAN_LIBFETCHPOOL0_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_LIBFETCHPOOL0_PACKAGE_CONTROL_EXTRA ${MADE}/shlibs ${SCRIPTS}/triggers)
set(CPACK_COMPONENT_LIBFETCHPOOL0_DESCRIPTION "shared pool of HTTP connections, library
Sends HTTP requests through fetchpoold, which owns one pool of connections for
all processes of a host.

This package contains the shared library.")

set(CPACK_DEBIAN_LIBFETCHPOOL-DEV_PACKAGE_DEPENDS "libfetchpool0 (= ${FETCHPOOL_DEBIAN_VERSION})")
set(CPACK_DEBIAN_LIBFETCHPOOL-DEV_PACKAGE_RECOMMENDS libmsgpack-dev) # for the static library
set(CPACK_DEBIAN_LIBFETCHPOOL-DEV_PACKAGE_SECTION libdevel)
set(CPACK_COMPONENT_LIBFETCHPOOL-DEV_DESCRIPTION "shared pool of HTTP connections, development files
Sends HTTP requests through fetchpoold, which owns one pool of connections for
all processes of a host.

This package contains the header, the static library, files for pkg-config and
CMake, and manual pages.")

set(CPACK_DEBIAN_FETCHPOOL_PACKAGE_RECOMMENDS fetchpoold)
set(CPACK_DEBIAN_FETCHPOOL_PACKAGE_SECTION net)
set(CPACK_COMPONENT_FETCHPOOL_DESCRIPTION "shared pool of HTTP connections, command
Sends HTTP requests through fetchpoold, which owns one pool of connections for
all processes of a host.

This package contains the fetchpool command, whose options are those of curl,
and which shows what the daemon does.")

# ---- What each has beside it -------------------------------------------------------------------------

string(TIMESTAMP FETCHPOOL_DATE "%a, %d %b %Y %H:%M:%S +0000" UTC)
file(READ LICENSE LICENSE_PARAGRAPHS)
string(REGEX REPLACE "^.*(Permission is hereby)" "\\1" LICENSE_PARAGRAPHS "${LICENSE_PARAGRAPHS}")
string(REGEX REPLACE "\n\n" "\n.\n" LICENSE_PARAGRAPHS "${LICENSE_PARAGRAPHS}")
string(REGEX REPLACE "\n$" "" LICENSE_PARAGRAPHS "${LICENSE_PARAGRAPHS}")
string(REPLACE "\n" "\n " LICENSE_PARAGRAPHS " ${LICENSE_PARAGRAPHS}")
configure_file(systemd/debian/copyright.in ${MADE}/copyright @ONLY)
configure_file(systemd/debian/changelog.in ${MADE}/changelog.Debian @ONLY)
file(WRITE ${MADE}/shlibs "libfetchpool ${PROJECT_VERSION_MAJOR} libfetchpool0 (>= ${PROJECT_VERSION})\n")
install(FILES ${SCRIPTS}/logrotate RENAME fetchpoold DESTINATION /etc/logrotate.d
        COMPONENT fetchpoold EXCLUDE_FROM_ALL)
foreach(component ${CPACK_COMPONENTS_ALL})
    string(TOUPPER ${component} COMPONENT)
    set(CPACK_DEBIAN_${COMPONENT}_PACKAGE_NAME ${component})
    file(WRITE ${MADE}/overrides/${component}
         "# It is not uploaded to Debian.\n${component}: initial-upload-closes-no-bugs\n")
    install(FILES ${MADE}/overrides/${component} DESTINATION share/lintian/overrides
            COMPONENT ${component} EXCLUDE_FROM_ALL)
    install(FILES ${MADE}/copyright ${MADE}/changelog.Debian
            DESTINATION share/doc/${component} COMPONENT ${component} EXCLUDE_FROM_ALL)
    install(FILES CHANGELOG.md RENAME changelog
            DESTINATION share/doc/${component} COMPONENT ${component} EXCLUDE_FROM_ALL)
endforeach()

file(APPEND ${MADE}/overrides/libfetchpool0 "# CPack calls it, whether the trigger is there or not.\n\
libfetchpool0: maintscript-calls-ldconfig *\n")

include(CPack)
