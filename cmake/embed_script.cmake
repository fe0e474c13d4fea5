# Run by tideline_embed_migrations at build time: SCRIPTS → OUTPUT. Raw string literals keep every byte as it is.
set(entries "")
foreach(script IN LISTS SCRIPTS)
  get_filename_component(name ${script} NAME_WE)
  file(READ ${script} text)
  string(APPEND entries "    {\"${name}\", R\"tideline_sql(${text})tideline_sql\"},\n")
endforeach()
file(WRITE ${OUTPUT} "// Made by cmake/embed_script.cmake.\n#include \"${LAYER}/migrate.h\"\n\nnamespace tideline::${LAYER} {\nnamespace {\n\nconstexpr Migration kMigrations[] = {\n${entries}};\n\n}  // namespace\n\nstd::span<const Migration> migrations() { return kMigrations; }\n\n}  // namespace tideline::${LAYER}\n")
