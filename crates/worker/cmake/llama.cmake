# What is changed in llama.cpp's build. CMake reads this after `project()` (`.cargo/config.toml`).

if(CMAKE_VERSION VERSION_LESS 3.19)
    return()
endif()

set(TAFFRAIL_CMAKE "${CMAKE_CURRENT_LIST_DIR}")

# Eight files are compiled at once: most of the time of these 150, of one architecture each, goes into the headers that all of
# them include.
function(taffrail_unity)
    if(TARGET llama)
        set_target_properties(llama PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
    endif()
endfunction()

# Old GCCs compile AMX's configuration as it is meant.
function(taffrail_amx)
    if(NOT TARGET ggml-cpu)
        return()
    endif()
    get_target_property(folder ggml-cpu SOURCE_DIR)
    get_target_property(sources ggml-cpu SOURCES)
    foreach(source IN LISTS sources)
        if(source MATCHES "amx/mmq\\.cpp$")
            get_filename_component(source "${source}" ABSOLUTE BASE_DIR "${folder}")
            set_source_files_properties("${source}" TARGET_DIRECTORY ggml-cpu PROPERTIES
                COMPILE_OPTIONS "-include;${TAFFRAIL_CMAKE}/amx.h")
        endif()
    endforeach()
endfunction()

if(PROJECT_NAME STREQUAL CMAKE_PROJECT_NAME)
    cmake_language(DEFER DIRECTORY "${CMAKE_SOURCE_DIR}" CALL taffrail_unity)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        cmake_language(DEFER DIRECTORY "${CMAKE_SOURCE_DIR}" CALL taffrail_amx)
    endif()
endif()
