# Compiler flags, sanitizers, linker and compiler cache: one place.

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  # The base directory makes checkouts share; a header's age says nothing of what is in it.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=time_macros,include_file_mtime,include_file_ctime
      CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${CCACHE_PROGRAM})
endif()

find_program(MOLD_PROGRAM mold)
if(MOLD_PROGRAM)
  add_link_options(-fuse-ld=mold)
endif()

add_compile_options(-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -fno-omit-frame-pointer)
add_compile_definitions(_FILE_OFFSET_BITS=64)

set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")
set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g")
set(CMAKE_CXX_FLAGS_SANITIZE "-O1 -g1")

if(TIDELINE_SANITIZE)
  add_compile_options(-fsanitize=${TIDELINE_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${TIDELINE_SANITIZE})
endif()
if(TIDELINE_LIBFUZZER)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
