# Compiles llama.cpp's description of each architecture together with seven others: most of the time of these 150 small
# files goes into the headers that all of them include. And has old GCCs compile AMX's configuration as it is meant.
# CMake reads this after `project()` (`.cargo/config.toml`).

if(CMAKE_VERSION VERSION_LESS 3.19)
    return()
endif()

set(TAFFRAIL_CMAKE "${CMAKE_CURRENT_LIST_DIR}")

function(taffrail_amx)
    if(NOT TARGET ggml-cpu)
        return()
    endif()
    get_target_property(sources ggml-cpu SOURCES)
    foreach(source IN LISTS sources)
        if(source MATCHES "amx/mmq\\.cpp$")
            set_source_files_properties(${source} TARGET_DIRECTORY ggml-cpu PROPERTIES
                COMPILE_OPTIONS "-include;${TAFFRAIL_CMAKE}/amx.h")
        endif()
    endforeach()
endfunction()

function(taffrail_unity)
    if(NOT TARGET llama)
        return()
    endif()
    get_target_property(sources llama SOURCES)
    foreach(source IN LISTS sources)
        # deepseek4 has helpers of the same names as its neighbours.
        if(NOT source MATCHES "models/.*\\.cpp$" OR source MATCHES "models/deepseek4\\.cpp$")
            set_source_files_properties(${source} TARGET_DIRECTORY llama PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
        endif()
    endforeach()
    set_target_properties(llama PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
endfunction()

if(PROJECT_NAME STREQUAL CMAKE_PROJECT_NAME)
    cmake_language(DEFER DIRECTORY "${CMAKE_SOURCE_DIR}" CALL taffrail_unity)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        cmake_language(DEFER DIRECTORY "${CMAKE_SOURCE_DIR}" CALL taffrail_amx)
    endif()
endif()
