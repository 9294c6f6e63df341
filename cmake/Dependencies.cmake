# The libraries that the project stands on, all from Debian 12: docs/ARCHITECTURE.md says what each is for.

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
pkg_check_modules(CHECK IMPORTED_TARGET check)
if(VQL_CORE_ONLY)
    return()
endif()

pkg_check_modules(LIBUV REQUIRED IMPORTED_TARGET libuv>=1.44)
pkg_check_modules(NGHTTP2 REQUIRED IMPORTED_TARGET libnghttp2>=1.52)
pkg_check_modules(PROTOBUF_C REQUIRED IMPORTED_TARGET libprotobuf-c)
pkg_check_modules(INIH REQUIRED IMPORTED_TARGET inih)
pkg_check_modules(MICROHTTPD REQUIRED IMPORTED_TARGET libmicrohttpd>=0.9.75)
pkg_check_modules(OPENBLAS REQUIRED IMPORTED_TARGET openblas)
pkg_check_modules(LIBSSL REQUIRED IMPORTED_TARGET openssl>=3.0)
pkg_check_modules(ROCKSDB REQUIRED IMPORTED_TARGET rocksdb)

# A sanitizer brings an allocator of its own.
if(NOT VQL_SANITIZE)
    pkg_check_modules(JEMALLOC REQUIRED IMPORTED_TARGET jemalloc)
endif()

find_program(PROTOC protoc REQUIRED)
find_program(PROTOC_C_PLUGIN protoc-gen-c REQUIRED)
find_program(NANOPB_PLUGIN protoc-gen-nanopb REQUIRED)
find_library(NANOPB_LIBRARY protobuf-nanopb REQUIRED)
find_path(NANOPB_INCLUDE_DIR pb_decode.h REQUIRED)
