@0xb1d2a6c3f0e49587;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("bench");

interface Echo {
  echo @0 (value :Data) -> (value :Data);
}
