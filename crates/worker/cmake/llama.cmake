# What is changed in llama.cpp's build. CMake reads this after `project()` (`.cargo/config.toml`).

if(CMAKE_VERSION VERSION_LESS 3.19)
    return()
endif()

# Devices of other machines over TCP; RDMA between them would need a library that few machines have. By force, for a build folder
# that is there already has its own answer.
if(PROJECT_NAME STREQUAL CMAKE_PROJECT_NAME)
    set(GGML_RPC ON CACHE BOOL "devices of other machines" FORCE)
    set(GGML_RPC_RDMA OFF CACHE BOOL "RDMA between them" FORCE)
endif()

# Eight files are compiled at once: most of the time of these 150, of one architecture each, goes into the headers that all of
# them include.
function(taffrail_unity)
    if(TARGET llama)
        set_target_properties(llama PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
    endif()
endfunction()

# The header lets a worker do without AMX, and has intrinsics whose memory GCC knows of.
set(TAFFRAIL_TILES "${CMAKE_CURRENT_LIST_DIR}/tiles.h")
function(taffrail_amx)
    if(TARGET ggml-cpu AND CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64" AND CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang")
        target_compile_options(ggml-cpu PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:SHELL:-include \"${TAFFRAIL_TILES}\">")
    endif()
endfunction()

# With AVX512-FP16 ggml's attention takes 128 numbers at once, and heads of 64 one by one: three times slower. It also adds up in
# half precision. llama.cpp's own releases do without.
function(taffrail_half_precision)
    include(CheckCXXCompilerFlag)
    if(TARGET ggml-cpu AND CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
        check_cxx_compiler_flag(-mno-avx512fp16 TAFFRAIL_HAS_NO_AVX512FP16)
        if(TAFFRAIL_HAS_NO_AVX512FP16)
            target_compile_options(ggml-cpu PRIVATE -mno-avx512fp16)
        endif()
    endif()
endfunction()

if(PROJECT_NAME STREQUAL CMAKE_PROJECT_NAME)
    cmake_language(DEFER DIRECTORY "${CMAKE_SOURCE_DIR}" CALL taffrail_half_precision)
    cmake_language(DEFER DIRECTORY "${CMAKE_SOURCE_DIR}" CALL taffrail_unity)
    cmake_language(DEFER DIRECTORY "${CMAKE_SOURCE_DIR}" CALL taffrail_amx)
endif()
