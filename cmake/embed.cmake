# tideline_embed_migrations(layer folder): the folder's .sql files, in the order of their names, become one source file
# of the layer that defines its embedded_migrations(). The file is made anew whenever one of them changes.
function(tideline_embed_migrations layer folder)
  file(GLOB scripts CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.sql)
  list(SORT scripts)
  set(output ${CMAKE_CURRENT_BINARY_DIR}/${layer}_migrations.cpp)
  add_custom_command(
    OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -D OUTPUT=${output} -D "SCRIPTS=${scripts}" -D LAYER=${layer} -P ${CMAKE_SOURCE_DIR}/cmake/embed_script.cmake
    DEPENDS ${scripts} ${CMAKE_SOURCE_DIR}/cmake/embed_script.cmake
    VERBATIM)
  target_sources(tideline_${layer} PRIVATE ${output})
endfunction()
