# Debian packages by CPack: cmake --preset package && cmake --build --preset package --target package

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME vql)
set(CPACK_PACKAGE_VENDOR vql)
set(VQL_PACKAGE_CONTACT "The vql authors <maintainers@vql.example>" CACHE STRING "Whom packages name as their maintainer")
set(CPACK_PACKAGE_CONTACT "${VQL_PACKAGE_CONTACT}")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_VERBATIM_VARIABLES ON)

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL vql vql-train libvqlclient-dev)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE "")
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(CPACK_DEBIAN_VQL_PACKAGE_NAME vql)
set(CPACK_DEBIAN_VQL_PACKAGE_SECTION net)
set(CPACK_DEBIAN_VQL_PACKAGE_DEPENDS adduser)
set(CPACK_COMPONENT_VQL_DESCRIPTION "The server and its tools.
vqld keeps each user's whole history as a vector-quantized attention cache and
scores candidates over gRPC. With vqlctl, its command line, and vqlbench,
which puts servers under load.")
set(CPACK_DEBIAN_VQL_PACKAGE_CONTROL_EXTRA)
foreach(script postinst prerm postrm conffiles)
    configure_file("debian/vql.${script}" "debian-vql/${script}" COPYONLY)
    list(APPEND CPACK_DEBIAN_VQL_PACKAGE_CONTROL_EXTRA "${CMAKE_CURRENT_BINARY_DIR}/debian-vql/${script}")
endforeach()

set(CPACK_DEBIAN_VQL-TRAIN_PACKAGE_NAME vql-train)
set(CPACK_DEBIAN_VQL-TRAIN_PACKAGE_SECTION science)
set(CPACK_COMPONENT_VQL-TRAIN_DESCRIPTION "The trainer of the models that vqld serves: it learns one from a log of
events and impressions, judges it, and writes it as a file.")

set(CPACK_DEBIAN_LIBVQLCLIENT-DEV_PACKAGE_NAME libvqlclient-dev)
set(CPACK_DEBIAN_LIBVQLCLIENT-DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_LIBVQLCLIENT-DEV_PACKAGE_DEPENDS "libuv1-dev, libprotobuf-c-dev, libnghttp2-dev, libssl-dev")
set(CPACK_COMPONENT_LIBVQLCLIENT-DEV_DESCRIPTION "The asynchronous client of vqld for C, on a libuv loop of the caller's: a
static library, its headers and those of the messages.")

# What Debian wants of every package. SOURCE_DATE_EPOCH, if set, is the date of all that is made.
string(TIMESTAMP VQL_CHANGELOG_DATE "%a, %d %b %Y %H:%M:%S +0000" UTC)
foreach(name IN LISTS CPACK_COMPONENTS_ALL)
    set(folder "${CMAKE_CURRENT_BINARY_DIR}/doc-${name}")
    configure_file(debian/changelog.in "${folder}/changelog" @ONLY)
    execute_process(COMMAND "${GZIP}" --force --best --no-name "${folder}/changelog" COMMAND_ERROR_IS_FATAL ANY)
    install(FILES debian/copyright "${folder}/changelog.gz" DESTINATION "${CMAKE_INSTALL_DATADIR}/doc/${name}"
        COMPONENT ${name})
endforeach()

include(CPack)
