# Users' caches: bytes, appends, accuracy by format, and the eviction policies.

add_library(vql_bench_data STATIC retail.c model_file.c)
target_compile_definitions(vql_bench_data PUBLIC _GNU_SOURCE)
target_include_directories(vql_bench_data PUBLIC "${CMAKE_CURRENT_SOURCE_DIR}" "${PROJECT_SOURCE_DIR}/tests/support")
target_link_libraries(vql_bench_data PUBLIC vql_options vql PkgConfig::ZLIB PkgConfig::JEMALLOC m)

foreach(program accuracy append memory)
    add_executable(bench_${program} ${program}.c)
    target_link_libraries(bench_${program} PRIVATE vql_bench_data)
endforeach()

add_executable(bench_eviction
    eviction.c eviction_lru.c key_queue.c eviction_s3fifo.c eviction_sieve.c eviction_tinylfu.c)
target_link_libraries(bench_eviction PRIVATE vql_bench_data vql_server)
