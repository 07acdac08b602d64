# What an installed program has, and the Debian package of it: after the build, cpack --config build/release/CPackConfig.cmake

install(TARGETS troupe)
install(DIRECTORY launch/templates config/profiles launch/sizing/published DESTINATION share/troupe PATTERN README.md EXCLUDE)
install(FILES model/demo/config.json model/demo/generation_config.json model/demo/model.safetensors model/demo/tokenizer.json
              model/demo/tokenizer_config.json DESTINATION share/troupe/demo)
install(FILES README.md CHANGELOG.md SECURITY.md launch/deployment.md launch/playbook.md DESTINATION share/doc/troupe)
install(FILES launch/systemd/troupe.toml launch/systemd/tls.conf launch/systemd/cuda.conf DESTINATION share/doc/troupe/examples)
install(FILES launch/systemd/sysusers.conf DESTINATION lib/sysusers.d RENAME troupe.conf)
# The unit, which names the program where it is installed; and what the program writes of itself: manual pages and completions.
install(CODE "
  set(root \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}\")
  file(READ \"${PROJECT_SOURCE_DIR}/launch/systemd/troupe.service\" unit)
  string(REPLACE /opt/troupe/bin/ \"\${CMAKE_INSTALL_PREFIX}/bin/\" unit \"\${unit}\")
  file(WRITE \"\${root}/lib/systemd/system/troupe.service\" \"\${unit}\")
  execute_process(COMMAND \"$<TARGET_FILE:troupe>\" manual --out \"\${root}/share\" COMMAND_ERROR_IS_FATAL ANY)
")

# What Debian's package alone has; behind the rest, since it compresses what Debian wants compressed.
install(FILES launch/systemd/troupe.toml DESTINATION /etc/troupe COMPONENT debian EXCLUDE_FROM_ALL)
install(FILES launch/debian/copyright launch/debian/changelog DESTINATION share/doc/troupe COMPONENT debian EXCLUDE_FROM_ALL)
install(CODE "
  set(share \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/share\")
  file(GLOB files \${share}/man/man1/*.1 \${share}/doc/troupe/changelog)
  execute_process(COMMAND gzip -9nf \${files} COMMAND_ERROR_IS_FATAL ANY)
" COMPONENT debian EXCLUDE_FROM_ALL)

set(CPACK_GENERATOR DEB)
set(CPACK_INSTALL_CMAKE_PROJECTS "${PROJECT_BINARY_DIR};troupe;Unspecified;/" "${PROJECT_BINARY_DIR};troupe;debian;/")
set(CPACK_SET_DESTDIR ON)  # /etc is not below the prefix
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGE_NAME troupe)
set(CPACK_PACKAGE_CONTACT "Troupe's maintainers <maintainers@troupe.example>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "server of DeepSeek-class language models with OpenAI's API")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"Serves mixture-of-experts and dense models from safetensors and GGUF files,
on CPUs and NVIDIA GPUs. When a worker dies or hangs, it is started again
alone, and every open stream goes on with the bytes that it would have had.
.
The unit is not started by the installation: it wants a file of keys first,
see /usr/share/doc/troupe/deployment.md.")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "systemd-standalone-sysusers | systemd-sysusers, procps")  # the user; kill, by which the unit reloads
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS ca-certificates)      # troupe pull
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "openmpi-bin, bash-completion")  # replicas under mpirun
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA)
foreach(file postinst prerm postrm conffiles)
  list(APPEND CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${PROJECT_SOURCE_DIR}/launch/debian/${file})
endforeach()
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
include(CPack)
