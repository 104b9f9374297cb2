#!/usr/bin/env bash
# Makes the Swift code of proto/roost/v1/roost.proto anew, for who changes that file; the code is committed.
#
#   scripts/grpc-code.sh <folder with protoc-gen-swift and protoc-gen-grpc-swift-2>
#
# Needs protoc (Debian: protobuf-compiler). The two plugins are built from the package grpc-swift-protobuf, in the version
# that Package.resolved names:
#
#   swift build --product protoc-gen-swift && swift build --product protoc-gen-grpc-swift-2
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
plugins=$(realpath "${1:?usage: scripts/grpc-code.sh <folder of the plugins>}")
out=$root/Sources/RoostProto/Generated
mkdir -p "$out"

protoc -I "$root/proto" "$root/proto/roost/v1/roost.proto" \
  --plugin "$plugins/protoc-gen-swift" --swift_out="$out" \
  --swift_opt=Visibility=Package --swift_opt=FileNaming=DropPath --swift_opt=UseAccessLevelOnImports=true \
  --plugin "$plugins/protoc-gen-grpc-swift-2" --grpc-swift-2_out="$out" \
  --grpc-swift-2_opt=Visibility=Package --grpc-swift-2_opt=FileNaming=DropPath \
  --grpc-swift-2_opt=UseAccessLevelOnImports=true
