# What every target is compiled with. vql_options is for our sources; generated code gets none of its warnings.

set(VQL_SANITIZE "" CACHE STRING "Sanitizers, comma separated: address,undefined or thread")
option(VQL_COVERAGE "Instrument for gcov" OFF)
option(VQL_FUZZ "Build libFuzzer's targets (needs Clang)" OFF)

# The optimised build keeps its asserts: NDEBUG is never defined.
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O3 -g")
set(CMAKE_C_FLAGS_DEBUG "-O1 -g -fno-omit-frame-pointer")

add_library(vql_options INTERFACE)
target_compile_options(vql_options INTERFACE
    -Wall -Wextra -Werror -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes -Wmissing-prototypes
    -Wpointer-arith -Wcast-align -Wcast-qual -Wwrite-strings -Wundef -Wvla -Wformat=2 -Wnull-dereference
    -Wno-error=null-dereference
    -ffp-contract=off            # numerics by flag, not by luck: a fused multiply-add is written where it is meant
    -fno-common -fstack-protector-strong)

add_compile_options(-fno-math-errno)

if(VQL_SANITIZE)
    add_compile_options(-fsanitize=${VQL_SANITIZE} -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${VQL_SANITIZE})
else()
    add_compile_definitions($<$<CONFIG:RelWithDebInfo>:_FORTIFY_SOURCE=2>)
endif()
if(VQL_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(VQL_COVERAGE)
    add_compile_options(--coverage)
    add_link_options(--coverage)
endif()
