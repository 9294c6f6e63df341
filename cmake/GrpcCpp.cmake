# gRPC's own implementation for C++, which tests and measurements compare with: the only places where the build knows
# that language. Debian's is not built for sanitizers or coverage, so that a folder that uses it compiles without them.

# Looks for the compiler, the plugin of protoc and the libraries, and sets GRPC_CPP_FOUND. Where they are, the folder's
# targets from here on have no options of the whole build.
macro(find_grpc_cpp)
    set(GRPC_CPP_FOUND FALSE)
    include(CheckLanguage)
    check_language(CXX)
    find_program(GRPC_CPP_PLUGIN grpc_cpp_plugin)
    if(CMAKE_CXX_COMPILER AND GRPC_CPP_PLUGIN)
        enable_language(CXX)
        find_package(ZLIB QUIET) # gRPC's package takes pkg-config's ZLIB_FOUND for it
        find_package(Protobuf QUIET)
        find_package(gRPC CONFIG QUIET)
        if(Protobuf_FOUND AND gRPC_FOUND)
            set(GRPC_CPP_FOUND TRUE)
            set_directory_properties(PROPERTIES COMPILE_OPTIONS "" LINK_OPTIONS "")
        endif()
    endif()
endmacro()

# add_grpc_cpp_protos(TARGET FOLDER BASE…): a library of the messages and services of FOLDER/BASE.proto.
function(add_grpc_cpp_protos target folder)
    set(generated_dir "${CMAKE_CURRENT_BINARY_DIR}/${target}")
    file(MAKE_DIRECTORY "${generated_dir}")
    set(generated "")
    foreach(base IN LISTS ARGN)
        set(outputs "${generated_dir}/${base}.pb.cc" "${generated_dir}/${base}.grpc.pb.cc")
        add_custom_command(
            OUTPUT ${outputs} "${generated_dir}/${base}.pb.h" "${generated_dir}/${base}.grpc.pb.h"
            COMMAND "${PROTOC}" "--plugin=protoc-gen-grpc=${GRPC_CPP_PLUGIN}" "-I${folder}"
                    "--cpp_out=${generated_dir}" "--grpc_out=${generated_dir}" "${folder}/${base}.proto"
            DEPENDS "${folder}/${base}.proto"
            VERBATIM)
        list(APPEND generated ${outputs})
    endforeach()
    add_library(${target} STATIC ${generated})
    target_include_directories(${target} SYSTEM PUBLIC "${generated_dir}")
    target_link_libraries(${target} PUBLIC gRPC::grpc++ protobuf::libprotobuf)
    target_compile_features(${target} PUBLIC cxx_std_17)
endfunction()
